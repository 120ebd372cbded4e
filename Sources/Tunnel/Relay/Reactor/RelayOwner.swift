import Config
import NIOCore

/// What has a pair of sockets relayed; called on the reactor's thread.
protocol RelayOwner: AnyObject {
    /// The far socket is connected, or `error` is the number of what went wrong: then the owner
    /// dials another or ends the pair.
    func dialEnded(_ error: Int32, _ pair: RelayToken, _ core: ReactorCore)
    /// Bytes have been read from the near socket, or from the far one.
    func moved(_ bytes: Int, fromNear: Bool)
    /// Both sockets are closed, and the token is worth nothing any more.
    func ended()
}

/// What accepts connections; called on the reactor's thread.
protocol ReactorAcceptor: AnyObject {
    /// Takes the descriptor over. False when none more should come for a while.
    func accepted(_ descriptor: Int32, from address: SocketBytes, _ core: ReactorCore) -> Bool
    /// The system would not accept: the number of why.
    func acceptFailed(_ error: Int32)
}

/// How long a pair may stay as it is; all in milliseconds.
struct RelayTerms {
    /// Nothing moves.
    var idle: UInt64?
    /// The same, once one direction has ended.
    var halfClosedIdle: UInt64 = .max
    /// One side has vanished, and the other takes what was read from it.
    var lingerAfterReset: UInt64 = 0
    /// The same, when the pair is cut.
    var lingerAfterCut: UInt64 = 0
    /// From a write until it is looked whether the peer takes bytes at all; nil: it is not.
    var flightCheck: UInt64?
    /// How long a peer may owe an acknowledgement.
    var patience: UInt64 = 0
}

extension RelayTerms {
    /// Of a tunnel's users; `read` is zero where it has no limit.
    init(read: Duration, _ keepAlive: KeepAlive?) {
        self.init(
            idle: read > .zero ? read.wholeMilliseconds : nil,
            halfClosedIdle: TunnelLimits.halfClosedIdle.wholeMilliseconds,
            lingerAfterReset: TunnelLimits.lingerAfterReset.wholeMilliseconds,
            lingerAfterCut: TunnelLimits.lingerAfterCut.wholeMilliseconds,
            flightCheck: keepAlive.map { ($0.interval * 2).wholeMilliseconds },
            patience: keepAlive?.patience.wholeMilliseconds ?? 0
        )
    }
}

extension Duration {
    var wholeMilliseconds: UInt64 { UInt64(max(0, TimeAmount(self).nanoseconds / 1_000_000)) }
}
