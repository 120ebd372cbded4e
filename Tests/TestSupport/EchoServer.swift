package import NIOCore
import NIOPosix

/// A TCP server on a port of 127.0.0.1, a free one by default, that treats every connection the same way.
package struct EchoServer: Sendable {
    package enum Manner: Sendable {
        /// Sends back what it gets, as it comes, and ends when the client has.
        case echo
        /// Says nothing until the client has ended its side, then answers `got N` and ends.
        case answerAfterEnd
        /// Sends this at once, then echoes.
        case speakFirst(String)
        /// Says this when the client has said something, and ends.
        case answer(String)
        /// Reads everything and stays silent.
        case sink
    }

    package let channel: any Channel

    package var port: Int { channel.localAddress?.port ?? 0 }

    package static func start(
        _ manner: Manner = .echo,
        at port: Int? = nil,
        on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) async throws -> EchoServer {
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(EchoHandler(manner))
                }
            }
            .bind(host: "127.0.0.1", port: port ?? FreePorts.one())
            .get()
        return EchoServer(channel: channel)
    }

    package func stop() async throws {
        try await channel.close()
    }
}

private final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let manner: EchoServer.Manner
    private var received = 0

    init(_ manner: EchoServer.Manner) {
        self.manner = manner
    }

    func channelActive(context: ChannelHandlerContext) {
        if case .speakFirst(let text) = manner {
            context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received += Self.unwrapInboundIn(data).readableBytes
        switch manner {
        case .echo, .speakFirst: context.write(data, promise: nil)
        case .answer(let text):
            let written = context.eventLoop.makePromise(of: Void.self)
            context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(string: text)), promise: written)
            written.futureResult.assumeIsolated().whenComplete { _ in context.close(mode: .output, promise: nil) }
        case .answerAfterEnd, .sink: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.flush()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed? = event as? ChannelEvent else { return }
        let answer: ByteBuffer
        if case .answerAfterEnd = manner {
            answer = ByteBuffer(string: "got \(received)")
        } else {
            answer = ByteBuffer()
        }
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(Self.wrapOutboundOut(answer), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
    }
}

/// A UDP server on a free port of 127.0.0.1 that sends every datagram back to where it came from.
package struct DatagramEchoServer: Sendable {
    package let channel: any Channel

    package var port: Int { channel.localAddress?.port ?? 0 }

    package static func start(
        on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) async throws -> DatagramEchoServer {
        let channel = try await DatagramBootstrap(group: group)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65_536))
            .channelOption(.socketOption(.so_rcvbuf), value: 4 * 1024 * 1024)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DatagramEchoHandler())
                }
            }
            .bind(host: "127.0.0.1", port: FreePorts.one())
            .get()
        return DatagramEchoServer(channel: channel)
    }
}

private final class DatagramEchoHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.writeAndFlush(data, promise: nil)
    }
}
