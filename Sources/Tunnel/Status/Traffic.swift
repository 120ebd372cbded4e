/// Bytes counted at the user-facing socket: `rx` came from users, `tx` went to them.
package struct Traffic: Sendable, Hashable {
    package var tcpRx: UInt64 = 0
    package var tcpTx: UInt64 = 0
    package var udpRx: UInt64 = 0
    package var udpTx: UInt64 = 0

    package init(tcpRx: UInt64 = 0, tcpTx: UInt64 = 0, udpRx: UInt64 = 0, udpTx: UInt64 = 0) {
        self.tcpRx = tcpRx
        self.tcpTx = tcpTx
        self.udpRx = udpRx
        self.udpTx = udpTx
    }

    /// Wraps instead of trapping: a reader may see counters of two moments.
    package static func + (a: Traffic, b: Traffic) -> Traffic {
        Traffic(
            tcpRx: a.tcpRx &+ b.tcpRx,
            tcpTx: a.tcpTx &+ b.tcpTx,
            udpRx: a.udpRx &+ b.udpRx,
            udpTx: a.udpTx &+ b.udpTx
        )
    }

    package static func - (a: Traffic, b: Traffic) -> Traffic {
        Traffic(
            tcpRx: a.tcpRx &- b.tcpRx,
            tcpTx: a.tcpTx &- b.tcpTx,
            udpRx: a.udpRx &- b.udpRx,
            udpTx: a.udpTx &- b.udpTx
        )
    }
}
