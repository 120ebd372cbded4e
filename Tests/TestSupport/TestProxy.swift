package import NIOCore
import NIOPosix

/// A proxy on a free port of 127.0.0.1: HTTP CONNECT or SOCKS5, with or without a user, or one that refuses.
package struct TestProxy: Sendable {
    package enum Manner: Sendable, Hashable {
        case http(authorization: String? = nil)
        case socks5(login: [UInt8]? = nil)
        /// Answers the first bytes with these and closes.
        case answer(String)
    }

    package let channel: any Channel
    /// Of connections that it has joined.
    let joined: Awaited<Int>

    package var port: Int { channel.localAddress?.port ?? 0 }

    /// Connects to `target`, a port of 127.0.0.1, whatever it is asked for.
    package static func start(_ manner: Manner, to target: Int) async throws -> TestProxy {
        let joined = Awaited(0)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ProxyServerHandler(manner, target, joined))
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        return TestProxy(channel: channel, joined: joined)
    }

    package func stop() async throws {
        try await channel.close()
    }
}

/// Reads what a client asks for, then gives what each side sends to the other.
private final class ProxyServerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let manner: TestProxy.Manner
    private let target: Int
    private let joined: Awaited<Int>
    private var held: [UInt8] = []
    /// How many of SOCKS5's messages have been answered.
    private var step = 0
    private var other: (any Channel)?

    init(_ manner: TestProxy.Manner, _ target: Int, _ joined: Awaited<Int>) {
        self.manner = manner
        self.target = target
        self.joined = joined
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Self.unwrapInboundIn(data)
        if let other { return other.writeAndFlush(bytes, promise: nil) }
        held += bytes.readableBytesView
        switch manner {
        case .answer(let text): send(Array(text.utf8), context, closes: true)
        case .http(let authorization): answerHTTP(authorization, context)
        case .socks5(let login): answerSOCKS(login, context)
        }
    }

    private func answerHTTP(_ authorization: String?, _ context: ChannelHandlerContext) {
        let head = String(decoding: held, as: UTF8.self)
        guard head.hasSuffix("\r\n\r\n") else { return }
        let isAllowed = authorization.map { head.contains("Proxy-Authorization: Basic \($0)\r\n") } ?? true
        guard head.hasPrefix("CONNECT "), isAllowed else {
            return send(Array("HTTP/1.1 407 Who are you\r\n\r\n".utf8), context, closes: true)
        }
        join(context, answer: Array("HTTP/1.1 200 Connected\r\nVia: test\r\n\r\n".utf8))
    }

    private func answerSOCKS(_ login: [UInt8]?, _ context: ChannelHandlerContext) {
        let message = held
        held = []
        step += 1
        switch step {
        case 1: send([5, login == nil ? 0 : 2], context)
        case 2 where login != nil:
            let isRight = message == login
            send([1, isRight ? 0 : 1], context, closes: !isRight)
        default: join(context, answer: [5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
        }
    }

    private func send(_ bytes: [UInt8], _ context: ChannelHandlerContext, closes: Bool = false) {
        let channel = context.channel
        channel.writeAndFlush(ByteBuffer(bytes: bytes)).whenComplete { _ in
            if closes { channel.close(promise: nil) }
        }
    }

    private func join(_ context: ChannelHandlerContext, answer: [UInt8]) {
        let user = context.channel
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        ClientBootstrap(group: context.eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ForwardingHandler(to: user))
                }
            }
            .connect(host: "127.0.0.1", port: target)
            .whenComplete { result in
                let (handler, context) = bound.value
                guard case .success(let channel) = result else { return context.close(promise: nil) }
                handler.other = channel
                handler.joined.change { $0 += 1 }
                handler.send(answer, context)
            }
    }

    func channelInactive(context: ChannelHandlerContext) {
        other?.close(promise: nil)
    }
}

private final class ForwardingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let channel: any Channel

    init(to channel: any Channel) {
        self.channel = channel
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        channel.writeAndFlush(Self.unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        channel.close(promise: nil)
    }
}
