import NIOCore

/// A connection, stream or message sequence that carries bytes both ways for one link, before it
/// has an id.
///
/// The seam between sessions and what carries their links: nothing above knows the kind. The
/// channel is active, lives on the session's loop, allows half-closure where its kind has it, and
/// reads by itself (`autoRead`). Closing its output ends one direction, or both where its kind or its
/// peer has no half; `closeAtOnce` and `cut` close it.
struct LinkChannel {
    let channel: any Channel
    /// The certificate of the server, as this end has or sees it; nil without TLS.
    let fingerprint: String?
    /// Whether a NodePass peer puts each datagram into a TLS record of its own, which a read does not show.
    var hasDatagramRecords = false

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

/// The server takes no more streams in the connection that its links share.
struct NoStream: Error {}

/// How a connection on the tunnel's port has begun.
enum LinkOpening {
    /// With these bytes, which may be none.
    case bytes(ByteBuffer)
    /// With a request for a WebSocket.
    case upgrade(WebSocketUpgrade)
}

/// What a transport has to know of the session that its links are for.
struct LinkSession {
    let terms: HandshakeTerms
    /// Whether another link would be given an id.
    let hasRoom: () -> Bool
    /// Whether a link of this connection has been proven to be the peer's.
    let isProven: () -> Bool
    /// Whether a request for a WebSocket belongs here.
    let takesRequest: (HandshakeRequest) -> Bool
    /// Counts a connection that broke a rule before that, and says which.
    let reject: (String) -> Void
}

/// The server's side of a pool transport: makes link channels of what is accepted on the tunnel's
/// port.
protocol LinkAcceptor {
    /// Whether links of a client that does not prove them have to come from its address.
    var checksAddress: Bool { get }

    /// Whether the client's bytes come first, so that the server must not speak before them.
    var clientSpeaksFirst: Bool { get }

    /// What a connection may keep in memory before it is proven, beside what any of them does.
    var openingBytes: Int { get }

    /// Whether a connection that begins with this byte is one of this transport's.
    func recognizes(_ first: UInt8) -> Bool

    /// Whether a request for a WebSocket on the tunnel's port is one of this transport's.
    func recognizes(_ request: HandshakeRequest) -> Bool

    /// Takes over an accepted connection whose opening has been read, and delivers each link channel
    /// it carries: one for a stream, many for a multiplexed transport. Deadlines are the caller's.
    func accept(
        _ channel: any Channel,
        _ opening: LinkOpening,
        for session: LinkSession,
        deliver: @escaping (LinkChannel) -> Void
    )
}
