import NIOCore

/// A connection, stream or message sequence that carries bytes both ways for one link, before it
/// has an id.
///
/// The seam between sessions and what carries their links: nothing above knows the kind. The
/// channel is active, lives on the session's loop, allows half-closure where its kind has it, and
/// reads by itself (`autoRead`).
struct LinkChannel {
    let channel: any Channel
    /// The certificate of the server, as this end has or sees it; nil without TLS.
    let fingerprint: String?

    var peerName: String { channel.remoteAddress?.ipAddress ?? "unknown" }
}

/// The client's side of a pool transport.
protocol LinkDialer {
    /// One more channel to the server; fails with what went wrong, within the dial timeout.
    ///
    /// `purpose` is what its descriptor is for; without one it fails with `NoDescriptor`.
    func dial(
        on loop: any EventLoop,
        for purpose: DescriptorPlan.Purpose
    ) -> EventLoopFuture<NIOLoopBound<LinkChannel>>
}

/// The server's side of a pool transport: makes link channels of what is accepted on the tunnel's
/// port.
protocol LinkAcceptor {
    /// Whether the client's bytes come first, so that the server must not speak before them.
    var clientSpeaksFirst: Bool { get }

    /// Whether a connection that begins with this byte is one of this transport's.
    func recognizes(_ first: UInt8) -> Bool

    /// Takes over an accepted connection whose first bytes have been read, and delivers each link
    /// channel it carries: one for a stream, many for a multiplexed transport. `first` may be
    /// empty. Deadlines are the caller's.
    func accept(_ channel: any Channel, first: ByteBuffer, deliver: @escaping (LinkChannel) -> Void)
}
