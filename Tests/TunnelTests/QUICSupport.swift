#if QUIC
import CQUIC
import Config
import NIOCore
import NIOPosix

@testable import TestSupport
@testable import Tunnel

/// A QUIC server without a tunnel, and clients of it.
struct QUICServer: Sendable {
    let loop: any EventLoop
    let port: Int
    private let endpoint: NIOLoopBound<QUICEndpoint>

    /// `serve` gets each stream; `proves` is whether its connections count as proven at once.
    static func start(
        proves: Bool = true,
        _ serve: @escaping @Sendable (any Channel) throws -> Void = { _ in }
    ) async throws -> QUICServer {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let loaded = try SelfSignedCertificate.ofThisProcess.get()
        let secret = [UInt8](repeating: 7, count: Int(CQ_SECRET_BYTES))
        let (endpoint, channel) = try await loop.flatSubmit {
            do {
                let door = QUICDoor(
                    secret: secret,
                    visit: { _ in
                        loaded.quic.map { credentials in
                            QUICVisit(
                                settings: cq_settings(isServer: true, isOwn: true, .brisk, secret: secret),
                                isOwn: true,
                                credentials: credentials
                            ) { connection in
                                connection.events.opened = { try? serve($0) }
                                if proves { connection.proven() }
                            }
                        }
                    },
                    accepts: { _, _ in true },
                    place: { nil }
                )
                let address = try SocketAddress(ipAddress: "127.0.0.1", port: 0)
                let endpoint = QUICEndpoint(try QUICSocket(boundTo: address), .server(door))
                let bound = NIOLoopBound(endpoint, eventLoop: loop)
                return endpoint.begin(on: loop).map { (bound, $0) }
            } catch {
                return loop.makeFailedFuture(error)
            }
        }.get()
        return QUICServer(loop: loop, port: channel.localAddress?.port ?? 0, endpoint: endpoint)
    }

    /// Connections, and how often one was told to come back with a token.
    func figures() async throws -> (connections: Int, retries: Int) {
        try await loop.submit { (endpoint.value.connectionCount, endpoint.value.retriesSent) }.get()
    }

    /// As if its process had been killed and started again.
    func forget() async throws {
        try await loop.submit { endpoint.value.forgetAll() }.get()
    }

    func stop() async throws {
        try await loop.flatSubmit { endpoint.value.channel?.close() ?? loop.makeSucceededVoidFuture() }.get()
    }
}

/// Links of a client, in a connection of its own.
struct QUICClient: Sendable {
    private let loop: any EventLoop
    private let dialer: NIOLoopBound<QUICLinkDialer>

    init(on loop: any EventLoop, port: Int) async throws {
        let server = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        let credentials = try ClientTrust(authorities: nil).quicCredentials(.anyCertificate)
        let budget = DescriptorBudget(DescriptorPlan(limit: 4096, cores: 2, api: 0))
        self.loop = loop
        dialer = try await loop.submit {
            let terms = QUICLinkDialer.Terms(
                server: server,
                timeout: .seconds(10),
                isOwn: true,
                trust: QUICTrust(credentials: credentials),
                pin: nil,
                name: "127.0.0.1"
            )
            let dialer = QUICLinkDialer(terms, .brisk, descriptors: TunnelDescriptors(budget))
            return NIOLoopBound(dialer, eventLoop: loop)
        }.get()
    }

    func link() async throws -> ReferenceLink {
        let inbox = Awaited(ReferenceLink.Inbox())
        let dialed = loop.flatSubmit {
            dialer.value.dial(on: loop, for: .link).flatMapThrowing { link in
                try link.value.channel.pipeline.syncOperations.addHandler(InboxFillingHandler(inbox))
                return link.value.channel
            }
        }
        return ReferenceLink(channel: try await dialed.get(within: .seconds(15), "a link"), inbox: inbox)
    }
}

/// Sends everything back, and ends where the other side ends.
final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.writeAndFlush(data, promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { context.close(mode: .output, promise: nil) }
    }
}

/// A line between one client and a server that loses packets, repeats them, and swaps them.
final class BadLine: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let server: SocketAddress
    private var client: SocketAddress?
    private var random: SeededRandom
    private var held: AddressedEnvelope<ByteBuffer>?

    private init(to server: SocketAddress, seed: UInt64) {
        self.server = server
        random = SeededRandom(seed: seed)
    }

    /// The line's port for the client.
    static func start(to port: Int, seed: UInt64) async throws -> any Channel {
        let server = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        return try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65_536))
            .channelOption(.socketOption(.so_rcvbuf), value: 4 * 1024 * 1024)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(BadLine(to: server, seed: seed))
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let packet = Self.unwrapInboundIn(data)
        if packet.remoteAddress != server { client = packet.remoteAddress }
        guard let to = packet.remoteAddress == server ? client : server else { return }
        let passed = AddressedEnvelope(remoteAddress: to, data: packet.data)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<3: return
        case 3..<5:
            send(passed, context)
            send(passed, context)
        case 5..<8 where held == nil: held = passed
        default: send(passed, context)
        }
        guard let late = held, Bool.random(using: &random) else { return }
        held = nil
        send(late, context)
    }

    private func send(_ packet: AddressedEnvelope<ByteBuffer>, _ context: ChannelHandlerContext) {
        context.writeAndFlush(Self.wrapOutboundOut(packet), promise: nil)
    }
}

/// A NAT between one client and a server, which gives the client another port and address when asked to.
final class ForgetfulNAT {
    private let server: SocketAddress
    private var client: SocketAddress?
    private var inside: (any Channel)?
    private var outside: (any Channel)?

    private init(to server: SocketAddress) {
        self.server = server
    }

    /// What clients connect to, and what gives them another address, on the channel's loop.
    static func start(
        to port: Int
    ) async throws -> (channel: any Channel, rebind: @Sendable (String) -> EventLoopFuture<Void>) {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let server = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        let nat = try await loop.submit { NIOLoopBound(ForgetfulNAT(to: server), eventLoop: loop) }.get()
        let inside = try await bind("127.0.0.1", nat, on: loop).get()
        let rebind: @Sendable (String) -> EventLoopFuture<Void> = { host in
            bind(host, nat, on: loop).map { outside in
                nat.value.outside?.close(promise: nil)
                nat.value.outside = outside
            }
        }
        try await loop.submit { nat.value.inside = inside }.get()
        try await rebind("127.0.0.1").get()
        return (inside, rebind)
    }

    private static func bind(
        _ host: String,
        _ nat: NIOLoopBound<ForgetfulNAT>,
        on loop: any EventLoop
    ) -> EventLoopFuture<any Channel> {
        DatagramBootstrap(group: loop)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65_536))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Side(nat.value))
                }
            }
            .bind(host: host, port: 0)
    }

    private func received(_ packet: AddressedEnvelope<ByteBuffer>) {
        let isAnswer = packet.remoteAddress == server
        if !isAnswer { client = packet.remoteAddress }
        guard let to = isAnswer ? client : server, let side = isAnswer ? inside : outside else { return }
        side.writeAndFlush(AddressedEnvelope(remoteAddress: to, data: packet.data), promise: nil)
    }

    private final class Side: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>

        private let nat: ForgetfulNAT

        init(_ nat: ForgetfulNAT) {
            self.nat = nat
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            nat.received(Self.unwrapInboundIn(data))
        }
    }
}

/// Keeps packets and answers none.
final class BlackHole: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let packets: Awaited<[ByteBuffer]>

    private init(_ packets: Awaited<[ByteBuffer]>) {
        self.packets = packets
    }

    static func start(_ packets: Awaited<[ByteBuffer]>) async throws -> any Channel {
        try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(BlackHole(packets))
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let packet = Self.unwrapInboundIn(data).data
        packets.change { $0.append(packet) }
    }
}
#endif
