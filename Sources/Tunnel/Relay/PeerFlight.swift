import Glibc

/// Whether a TCP peer takes the bytes that are sent to it: the part of Linux's `struct tcp_info` up
/// to what is needed of it.
struct PeerFlight: Sendable {
    enum Verdict: Sendable {
        case delivered
        /// The peer has not acknowledged everything yet.
        case inFlight
        /// The peer is there and takes nothing.
        case waiting
        /// It took nothing, and then answered nothing.
        case gone
    }

    private var head: (UInt8, UInt8, UInt8) = (0, 0, 0)
    /// Questions to a peer with a closed window that it has not answered.
    var probes: UInt8 = 0
    private var settings: (UInt32, UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0, 0)
    /// Segments that have been sent and not acknowledged.
    var inFlight: UInt32 = 0
    private var losses: (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0, 0, 0, 0)
    /// Since the last acknowledgement.
    var silentMilliseconds: UInt32 = 0
    private var pathLimit: UInt32 = 0
    private var figures: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) =
        (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    /// Bytes that have not been sent.
    var unsent: UInt32 = 0
    private var last: UInt32 = 0

    init() {}

    /// Nil where the socket has none.
    init?(of descriptor: Int32) {
        self.init()
        var length = socklen_t(MemoryLayout<PeerFlight>.size)
        guard getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &self, &length) == 0 else { return nil }
    }

    /// Unanswered questions after which a peer with a closed window may be gone; one may be lost.
    private static let probeLimit = 3

    /// `patience` is how long a peer may stay silent.
    func verdict(_ patience: Duration) -> Verdict {
        if inFlight > 0 { return .inFlight }
        guard unsent > 0 else { return .delivered }
        let isSilent = Duration.milliseconds(silentMilliseconds) >= patience
        return isSilent && probes >= Self.probeLimit ? .gone : .waiting
    }
}
