import NIOCore
import NIOPosix
package import NIOSSL

/// Someone between a client and a server's tunnel port: sees every byte, and passes on what it likes.
///
/// Each connection reaches the server from an address of its own, so that the server does not take them
/// for those of one stranger.
package final class WireTap: Sendable {
    package enum Direction: Sendable, Hashable {
        case toServer
        case toClient
    }

    /// Bytes on their way, and where they are in their direction of their connection.
    package struct Chunk: Sendable {
        package let connection: Int
        package let direction: Direction
        package let offset: Int
        package let bytes: [UInt8]
    }

    /// On which connections TLS ends at the tap, with this certificate, and begins anew behind it.
    package enum Interception: Sendable {
        case none
        /// Behind an HTTP upgrade.
        case behindUpgrade(NIOSSLContext)
        /// Where the client begins with TLS.
        case ofLinks(NIOSSLContext)
    }

    package typealias Change = @Sendable (Chunk) -> [UInt8]

    struct State: Sendable {
        var chunks: [Chunk] = []
        var connections = 0
    }

    private let listener: any Channel
    private let state: Awaited<State>

    package var port: Int { listener.localAddress?.port ?? 0 }

    /// How many connections there have been; they are numbered from 1.
    package var connections: Int { state.current.connections }

    /// All that has passed, in order.
    package var record: [Chunk] { state.current.chunks }

    private init(listener: any Channel, state: Awaited<State>) {
        self.listener = listener
        self.state = state
    }

    /// Listens on a free port of 127.0.0.1 for connections to `server`; what passes is `change` of it.
    ///
    /// `firstSource` is below the numbers of its addresses, for several taps beside each other.
    package static func start(
        server: Int,
        interception: Interception = .none,
        firstSource: Int = 0,
        change: @escaping Change = { $0.bytes }
    ) async throws -> WireTap {
        let state = Awaited(State())
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { client in
                let number = state.change { state in
                    state.connections += 1
                    return state.connections
                }
                let source = firstSource + number
                let address = "127.1.\(source / 250).\(source % 250 + 1)"
                guard let local = try? SocketAddress(ipAddress: address, port: 0) else {
                    return client.eventLoop.makeFailedFuture(ChannelError.unknownLocalAddress)
                }
                return ClientBootstrap(group: client.eventLoop)
                    .channelOption(.allowRemoteHalfClosure, value: true)
                    .channelOption(.autoRead, value: false)
                    .bind(to: local)
                    .connect(host: "127.0.0.1", port: server)
                    .flatMapThrowing { server in
                        let pair = TapPair(number: number, interception: interception, state: state, change: change)
                        try pair.join(client, server)
                    }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        return WireTap(listener: listener, state: state)
    }

    package func stop() async {
        try? await listener.close()
    }
}

/// The two connections of a tap that belong together; on their loop only.
private final class TapPair {
    private let number: Int
    private let interception: WireTap.Interception
    private let state: Awaited<WireTap.State>
    private let change: WireTap.Change
    private var offsets: [WireTap.Direction: Int] = [:]
    private var isIntercepted = false
    private var client: (any Channel)?
    private var server: (any Channel)?

    init(
        number: Int,
        interception: WireTap.Interception,
        state: Awaited<WireTap.State>,
        change: @escaping WireTap.Change
    ) {
        self.number = number
        self.interception = interception
        self.state = state
        self.change = change
    }

    func join(_ client: any Channel, _ server: any Channel) throws {
        self.client = client
        self.server = server
        try client.pipeline.syncOperations.addHandler(TapHandler { self.handle($0, .toServer) })
        try server.pipeline.syncOperations.addHandler(TapHandler { self.handle($0, .toClient) })
        for channel in [client, server] {
            try channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }

    private func handle(_ event: TapHandler.Event, _ direction: WireTap.Direction) {
        let other = direction == .toServer ? server : client
        switch event {
        case .inputEnded: other?.close(mode: .output, promise: nil)
        case .closed: other?.close(promise: nil)
        case .bytes(let bytes):
            if direction == .toServer, case .ofLinks(let context) = interception, !isIntercepted,
                offsets[.toServer] == nil, bytes.first == 0x16
            {
                intercept(context)
                client?.pipeline.fireChannelRead(ByteBuffer(bytes: bytes))
                client?.pipeline.fireChannelReadComplete()
                return
            }
            pass(bytes, direction, to: other)
            if direction == .toClient, case .behindUpgrade(let context) = interception, !isIntercepted,
                String(decoding: bytes, as: UTF8.self).hasPrefix("HTTP/1.1 101 ")
            {
                intercept(context)
            }
        }
    }

    private func pass(_ bytes: [UInt8], _ direction: WireTap.Direction, to other: (any Channel)?) {
        let chunk = WireTap.Chunk(
            connection: number,
            direction: direction,
            offset: offsets[direction, default: 0],
            bytes: bytes
        )
        offsets[direction, default: 0] += bytes.count
        state.change { $0.chunks.append(chunk) }
        other?.writeAndFlush(ByteBuffer(bytes: change(chunk)), promise: nil)
    }

    private func intercept(_ context: NIOSSLContext) {
        isIntercepted = true
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        do {
            let outward = try NIOSSLContext(configuration: configuration)
            try client?.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context), position: .first)
            try server?.pipeline.syncOperations.addHandler(
                NIOSSLClientHandler(context: outward, serverHostname: nil),
                position: .first
            )
        } catch {
            client?.close(promise: nil)
        }
    }
}

private final class TapHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    enum Event {
        case bytes([UInt8])
        case inputEnded
        case closed
    }

    private let onEvent: (Event) -> Void

    init(_ onEvent: @escaping (Event) -> Void) {
        self.onEvent = onEvent
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        onEvent(.bytes(Array(Self.unwrapInboundIn(data).readableBytesView)))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { onEvent(.inputEnded) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        onEvent(.closed)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
        onEvent(.closed)
    }
}
