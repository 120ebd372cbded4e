import NIOCore
import NIOHTTP2

/// Pool type 3 on the server: an accepted connection carries many links, each a stream.
struct HTTP2LinkAcceptor: LinkAcceptor {
    let stream: StreamLinkAcceptor

    var checksAddress: Bool { true }
    var clientSpeaksFirst: Bool { true }
    var openingBytes: Int { stream.openingBytes + TunnelLimits.unprovenHTTP2Bytes }

    func recognizes(_ first: UInt8) -> Bool {
        stream.recognizes(first)
    }

    func recognizes(_ request: HandshakeRequest) -> Bool { false }

    func accept(
        _ channel: any Channel,
        _ opening: LinkOpening,
        for session: LinkSession,
        deliver: @escaping (LinkChannel) -> Void
    ) {
        stream.accept(channel, opening, for: session) { begin($0, session, deliver) }
    }

    private func begin(
        _ carrier: LinkChannel,
        _ session: LinkSession,
        _ deliver: @escaping (LinkChannel) -> Void
    ) {
        let channel = carrier.channel
        let connection = HTTP2Connection(onBreach: { session.reject("it broke a rule of HTTP/2") })
        let accept = NIOLoopBound(
            { (link: any Channel) throws in try Self.accept(link, of: carrier, connection, session, deliver) },
            eventLoop: channel.eventLoop
        )
        let configuration = HTTP2Link.configuration(streams: TunnelLimits.http2Streams)
        let handler = NIOHTTP2Handler(
            mode: .server,
            eventLoop: channel.eventLoop,
            connectionConfiguration: configuration.connection,
            streamConfiguration: configuration.stream
        ) { link in
            link.eventLoop.makeCompletedFuture { try accept.value(link) }
        }
        do {
            try channel.pipeline.syncOperations.addHandlers([handler, connection])
        } catch {
            channel.cut()
        }
    }

    private static func accept(
        _ link: any Channel,
        of carrier: LinkChannel,
        _ connection: HTTP2Connection,
        _ session: LinkSession,
        _ deliver: @escaping (LinkChannel) -> Void
    ) throws {
        connection.begin()
        link.closeFuture.assumeIsolated().whenComplete { _ in connection.ended() }
        // A client proves its first stream before it opens many; a stranger may open them without end.
        guard session.isProven() || connection.opened <= TunnelLimits.http2UnprovenStreams else {
            session.reject("it opened \(connection.opened) streams and proved none")
            return carrier.channel.cut()
        }
        let role = HTTP2LinkHandler.Role.server(hasRoom: session.hasRoom) { link in
            deliver(LinkChannel(channel: link, fingerprint: carrier.fingerprint))
        }
        try link.pipeline.syncOperations.addHandler(HTTP2LinkHandler(role))
    }
}
