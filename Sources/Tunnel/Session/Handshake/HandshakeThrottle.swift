import Config
package import NIOCore

/// Counts failed handshakes by address, so that keys cannot be guessed at speed.
///
/// A host in an IPv6 network of 64 bits has all its addresses, so they count as one. An address that
/// failed too often is refused for the rest of its window, right key or wrong, unless it shows a ticket
/// (`TicketBook`); others are not touched.
package struct HandshakeThrottle: Sendable {
    private struct Record {
        var failures: Int
        let windowEnds: NIODeadline
    }

    private var records: [String: Record] = [:]
    private let limit: Int
    private let window: TimeAmount
    private let capacity: Int

    package init(
        limit: Int = TunnelLimits.handshakeFailures,
        window: TimeAmount = TimeAmount(TunnelLimits.handshakeFailureWindow),
        capacity: Int = TunnelLimits.handshakeFailureAddresses
    ) {
        self.limit = limit
        self.window = window
        self.capacity = capacity
    }

    package func admits(_ address: String, now: NIODeadline) -> Bool {
        let address = Self.holder(address)
        guard let record = records[address], record.windowEnds > now else { return true }
        return record.failures < limit
    }

    package mutating func failed(_ address: String, now: NIODeadline) {
        let address = Self.holder(address)
        if let record = records[address], record.windowEnds > now {
            records[address]?.failures += 1
            return
        }
        if records.count >= capacity { forget(now) }
        records[address] = Record(failures: 1, windowEnds: now + window)
    }

    /// Takes back one failure: what was counted as a guess when it began has turned out to be none.
    package mutating func succeeded(_ address: String) {
        let address = Self.holder(address)
        if let record = records[address], record.failures > 0 { records[address]?.failures -= 1 }
    }

    private static func holder(_ address: String) -> String {
        IPAddress(address).map { Hex.text($0.bytes.prefix(8)) } ?? address
    }

    /// Drops what has run out, or, when nothing has, the address whose window ends first.
    private mutating func forget(_ now: NIODeadline) {
        records = records.filter { $0.value.windowEnds > now }
        guard records.count >= capacity else { return }
        if let oldest = records.min(by: { $0.value.windowEnds < $1.value.windowEnds })?.key { records[oldest] = nil }
    }
}
