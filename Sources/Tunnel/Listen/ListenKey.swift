import Config

/// What the engine calls a socket of a spec: it finds its listener by it.
typealias ListenKey = ListenSocket

extension ListenSocket {
    /// Of the two only one can be bound.
    func excludes(_ other: ListenSocket) -> Bool {
        self != other && address == other.address
    }

    /// How many it takes: its own, and where connections are closed on other loops, that of one
    /// accepted only to be refused.
    var descriptors: Int { transport == .tcp && purpose == .single ? 2 : 1 }

    /// The TCP socket whose port a UDP socket takes over where the system chooses it.
    var tcpSibling: ListenSocket { ListenSocket(ListenAddress(endpoint, .tcp), purpose) }

    /// What a spec listens on, TCP first; `flow` is which way a client's users come, as far as
    /// known.
    static func keys(of spec: TunnelSpec, _ mode: TunnelMode, flow: TunnelFlow?) -> [ListenSocket] {
        spec.listenSockets(mode: mode, isClientEntry: flow == .forward)
    }
}
