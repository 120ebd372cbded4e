package import NIOCore
import NIOPosix

/// A TCP client whose reads and ends a test awaits; everything received is kept.
package final class TestClient: Sendable {
    package let channel: any Channel
    private let inbox: Inbox

    private init(channel: any Channel, inbox: Inbox) {
        self.channel = channel
        self.inbox = inbox
    }

    package static func connect(
        port: Int,
        host: String = "127.0.0.1",
        on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) async throws -> TestClient {
        let inbox = Inbox()
        let channel = try await bootstrap(inbox, on: group).connect(host: host, port: port).get()
        return TestClient(channel: channel, inbox: inbox)
    }

    package static func connect(socketPath: String) async throws -> TestClient {
        let inbox = Inbox()
        let channel = try await bootstrap(inbox, on: MultiThreadedEventLoopGroup.singleton)
            .connect(unixDomainSocketPath: socketPath).get()
        return TestClient(channel: channel, inbox: inbox)
    }

    private static func bootstrap(_ inbox: Inbox, on group: any EventLoopGroup) -> ClientBootstrap {
        ClientBootstrap(group: group)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(InboxHandler(inbox))
                }
            }
    }

    package func send(_ text: String) async throws {
        try await channel.writeAndFlush(ByteBuffer(string: text))
    }

    package func send(_ buffer: ByteBuffer) async throws {
        try await channel.writeAndFlush(buffer)
    }

    package func endOutput() async throws {
        try await channel.close(mode: .output)
    }

    package func close() async throws {
        try await channel.close()
    }

    /// The next `count` bytes, or fewer if the other side ends before.
    package func receive(_ count: Int) async throws -> ByteBuffer {
        try await inbox.take(count)
    }

    package func receiveText(_ count: Int) async throws -> String {
        String(buffer: try await receive(count))
    }

    /// Everything up to the other side's end.
    package func receiveAll() async throws -> ByteBuffer {
        try await inbox.take(.max)
    }
}

/// Bytes received and the one waiter for them.
private actor Inbox {
    private var buffer = ByteBuffer()
    private var hasEnded = false
    private var waiter: (count: Int, continuation: CheckedContinuation<ByteBuffer, Never>)?

    func append(_ bytes: ByteBuffer) {
        buffer.writeImmutableBuffer(bytes)
        serve()
    }

    func end() {
        hasEnded = true
        serve()
    }

    func take(_ count: Int) async throws -> ByteBuffer {
        await withCheckedContinuation { continuation in
            waiter = (count, continuation)
            serve()
        }
    }

    private func serve() {
        guard let (count, continuation) = waiter, buffer.readableBytes >= count || hasEnded else { return }
        waiter = nil
        continuation.resume(returning: buffer.readSlice(length: min(count, buffer.readableBytes)) ?? ByteBuffer())
    }
}

private final class InboxHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private enum Item: Sendable {
        case bytes(ByteBuffer)
        case end
    }

    private let items: AsyncStream<Item>.Continuation

    init(_ inbox: Inbox) {
        let (stream, items) = AsyncStream.makeStream(of: Item.self)
        self.items = items
        // Bridges the handler's synchronous callbacks, in order, to the actor that tests await; ends with the channel.
        Task {
            for await item in stream {
                switch item {
                case .bytes(let bytes): await inbox.append(bytes)
                case .end: await inbox.end()
                }
            }
            await inbox.end()
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        items.yield(.bytes(Self.unwrapInboundIn(data)))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { items.yield(.end) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        items.finish()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

/// A UDP socket connected to a port of this machine; datagrams arrive as a stream.
package struct DatagramClient: Sendable {
    package let channel: any Channel
    package let datagrams: AsyncStream<ByteBuffer>

    package static func connect(
        port: Int,
        host: String = "127.0.0.1",
        on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) async throws -> DatagramClient {
        let (datagrams, continuation) = AsyncStream.makeStream(of: ByteBuffer.self)
        let channel = try await DatagramBootstrap(group: group)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65_536))
            .channelOption(.socketOption(.so_rcvbuf), value: 4 * 1024 * 1024)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DatagramInboxHandler(continuation))
                }
            }
            .connect(host: host, port: port)
            .get()
        return DatagramClient(channel: channel, datagrams: datagrams)
    }

    package func send(_ datagram: ByteBuffer) async throws {
        try await channel.writeAndFlush(datagram)
    }
}

private final class DatagramInboxHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let datagrams: AsyncStream<ByteBuffer>.Continuation

    init(_ datagrams: AsyncStream<ByteBuffer>.Continuation) {
        self.datagrams = datagrams
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        datagrams.yield(Self.unwrapInboundIn(data).data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        datagrams.finish()
    }
}
