import NIOCore
import NIOPosix

extension ReferencePeer {
    /// What a server offers in its terms.
    package enum ServerTLS: Sendable {
        case off
        /// `tls=1`: a certificate made in memory.
        case memory
        /// `tls=2`: PEM files.
        case files(certificate: String, key: String)

        var code: String {
            switch self {
            case .off: "0"
            case .memory: "1"
            case .files: "2"
            }
        }

        func certificate() throws -> ReferenceCertificate? {
            switch self {
            case .off: nil
            case .memory: try ReferenceCertificate()
            case .files(let certificate, let key):
                try ReferenceCertificate(certificateFile: certificate, keyFile: key)
            }
        }
    }

    /// Listens on a port of 127.0.0.1 for one client; a peer made later on the same port is its restart.
    package static func server(
        port: Int? = nil,
        key: String,
        flow: String = "-",
        max: Int = 16,
        tls: ServerTLS = .off,
        manners: Manners = [],
        report: Duration = .seconds(5),
        pause: Duration = .milliseconds(20)
    ) async throws -> ReferencePeer {
        let certificate = try tls.certificate()
        let peer = ReferencePeer(
            role: .server,
            port: try port ?? FreePorts.one(),
            key: key,
            manners: manners,
            report: report,
            pause: pause,
            certificate: certificate,
            tls: try certificate.map { .server(try $0.serverContext()) }
        )
        peer.state.change { $0.terms = ReferenceTerms(flow: flow, max: max, tls: tls.code, type: "0") }
        try await peer.listen().get(within: .seconds(30), "the bind")
        return peer
    }

    private func listen() -> EventLoopFuture<Void> {
        ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { listener in
                self.track(listener)
                self.state.change { $0.listener = listener }
                return listener.eventLoop.makeSucceededVoidFuture()
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.accept(channel) }
            }
            .bind(host: "127.0.0.1", port: port)
            .map { _ in }
    }

    private func accept(_ channel: any Channel) throws {
        track(channel)
        switch state.current.phase {
        case .handshake: try channel.pipeline.syncOperations.addHandler(HandshakeServerHandler(self))
        case .pool: try addLinkHandlers(to: channel)
        case .rebinding, .stopped: channel.close(promise: nil)
        }
    }

    func addLinkHandlers(to channel: any Channel) throws {
        if let tls { try channel.pipeline.syncOperations.addHandler(tls.handler()) }
        if manners.contains(.writesSingleBytes) { try channel.pipeline.syncOperations.addHandler(SingleByteHandler()) }
        try channel.pipeline.syncOperations.addHandler(ReferenceLinkHandler(self))
    }

    /// The answer to a request; a good one ends the handshake phase and is answered once the listener is as it will be.
    fileprivate func answer(to request: String) -> (reply: String, retiring: (any Channel)?)? {
        let status = ReferenceHandshake.judge(request, token: codec.token)
        let rebinds = manners.contains(.rebinds)
        return state.change { state in
            guard state.phase == .handshake, let terms = state.terms else { return nil }
            let reply = ReferenceHandshake.reply(status, terms: terms)
            guard status == 200 else { return (reply, nil) }
            state.request = request
            state.phase = rebinds ? .rebinding : .pool
            return (reply, rebinds ? state.listener : nil)
        }
    }

    /// Ends the absence of a server that rebinds, as its `pause` does; its listener must be gone by then.
    package func rebind() {
        let isAway = state.change { state in
            guard state.phase == .rebinding else { return false }
            state.phase = .pool
            return true
        }
        guard isAway else { return }
        listen().whenFailure { error in self.state.change { $0.lastFailure = error } }
    }

    /// An id for a new link: zeros first, then chance; nothing if the pool is full.
    func newID() -> [UInt8]? {
        state.change { state in
            guard state.idle.count(where: isUsable) < state.terms?.max ?? 0 else { return nil }
            guard !state.ids.isEmpty else {
                state.ids.insert(Self.controlID)
                return [0, 0, 0, 0]
            }
            while true {
                let id = (0..<4).map { _ in UInt8.random(in: 0...255) }
                if state.ids.insert(referenceID(id)).inserted { return id }
            }
        }
    }
}

/// Answers one handshake request and closes.
private final class HandshakeServerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private static let limitBytes = 1 << 16

    private let peer: ReferencePeer
    private var request = ""

    init(_ peer: ReferencePeer) {
        self.peer = peer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        request += String(buffer: Self.unwrapInboundIn(data))
        guard request.hasSuffix("\r\n\r\n") else {
            if request.utf8.count > Self.limitBytes { context.close(promise: nil) }
            return
        }
        guard let answer = peer.answer(to: request) else { return context.close(promise: nil) }
        let (peer, channel, reply) = (peer, context.channel, answer.reply)
        guard let listener = answer.retiring else { return Self.send(reply, on: channel) }
        listener.close().whenComplete { _ in
            Self.send(reply, on: channel)
            channel.eventLoop.scheduleTask(in: peer.pause) { peer.rebind() }
        }
    }

    private static func send(_ reply: String, on channel: any Channel) {
        channel.writeAndFlush(ByteBuffer(string: reply)).whenComplete { _ in channel.close(promise: nil) }
    }
}
