import NIOCore
import NIOHTTP2

/// Pool type 3 on the client: links are streams of one connection, and of another where that is full.
///
/// Lives on the session's loop.
final class HTTP2LinkDialer: LinkDialer {
    private let stream: StreamLinkDialer
    private let authority: String
    private let pingInterval: TimeAmount
    /// NodePass's server takes the newest connection for the only one.
    private let isLimitedToOne: Bool
    private var connections: [Connection] = []
    private var connecting: EventLoopFuture<NIOLoopBound<Connection>>?

    private struct Connection {
        let channel: any Channel
        let fingerprint: String?
        let streams: NIOHTTP2Handler.StreamMultiplexer
        let watcher: HTTP2Connection
    }

    init(stream: StreamLinkDialer, authority: String, pingInterval: TimeAmount, isLimitedToOne: Bool) {
        self.stream = stream
        self.authority = authority
        self.pingInterval = pingInterval
        self.isLimitedToOne = isLimitedToOne
    }

    func dial(
        on loop: any EventLoop,
        for purpose: DescriptorPlan.Purpose
    ) -> EventLoopFuture<NIOLoopBound<LinkChannel>> {
        connections.removeAll { !$0.channel.isActive }
        if let connection = connections.first(where: \.watcher.hasRoom) { return open(on: connection) }
        if isLimitedToOne, !connections.isEmpty { return loop.makeFailedFuture(NoStream()) }
        let connecting = connecting ?? connect(on: loop, for: purpose)
        let bound = NIOLoopBound(self, eventLoop: loop)
        return connecting.flatMap { connection in
            guard connection.value.watcher.hasRoom else { return loop.makeFailedFuture(NoStream()) }
            return bound.value.open(on: connection.value)
        }
    }

    private func open(on connection: Connection) -> EventLoopFuture<NIOLoopBound<LinkChannel>> {
        let authority = authority
        let loop = connection.channel.eventLoop
        connection.watcher.begin()
        let stream = connection.streams.createStreamChannel { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(HTTP2LinkHandler(.client(authority: authority)))
            }
        }
        stream.assumeIsolated().whenComplete { result in
            guard case .success(let channel) = result else { return connection.watcher.ended() }
            channel.closeFuture.assumeIsolated().whenComplete { _ in connection.watcher.ended() }
        }
        let fingerprint = connection.fingerprint
        return stream.map { NIOLoopBound(LinkChannel(channel: $0, fingerprint: fingerprint), eventLoop: loop) }
    }

    private func connect(
        on loop: any EventLoop,
        for purpose: DescriptorPlan.Purpose
    ) -> EventLoopFuture<NIOLoopBound<Connection>> {
        let ready = loop.makePromise(of: NIOLoopBound<Connection>.self)
        connecting = ready.futureResult
        let timeout = stream.timeout
        let deadline = loop.assumeIsolated().scheduleTask(in: timeout * 2) {
            ready.fail(ChannelError.connectTimeout(timeout))
        }
        ready.futureResult.assumeIsolated().whenComplete { result in
            deadline.cancel()
            self.connecting = nil
            if case .success(let connection) = result { self.connections.append(connection.value) }
        }
        stream.dial(on: loop, for: purpose).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let carrier): self.begin(carrier.value, ready)
            case .failure(let error): ready.fail(error)
            }
        }
        return ready.futureResult
    }

    /// TLS is up: the connection is ready when the server's settings have come.
    private func begin(_ carrier: LinkChannel, _ ready: EventLoopPromise<NIOLoopBound<Connection>>) {
        let channel = carrier.channel
        let configuration = HTTP2Link.configuration(streams: nil)
        let handler = NIOHTTP2Handler(
            mode: .client,
            eventLoop: channel.eventLoop,
            connectionConfiguration: configuration.connection,
            streamConfiguration: configuration.stream
        ) { pushed in
            // No server may push.
            pushed.close()
        }
        var begun: Connection?
        let watcher = HTTP2Connection(
            pingInterval: pingInterval,
            onReady: { isUp in
                guard isUp, let begun else { return ready.fail(ChannelError.eof) }
                ready.succeed(NIOLoopBound(begun, eventLoop: channel.eventLoop))
            }
        )
        ready.futureResult.assumeIsolated().whenFailure { _ in channel.cut() }
        do {
            try channel.pipeline.syncOperations.addHandlers([handler, watcher])
            begun = Connection(
                channel: channel,
                fingerprint: carrier.fingerprint,
                streams: try handler.syncMultiplexer(),
                watcher: watcher
            )
        } catch {
            ready.fail(error)
        }
    }
}
