package import NIOCore

/// One connection of a reference peer: a pool link, or a user's or target's plain one, whose id is empty.
///
/// What arrives is kept until it is read, whether or not anybody has claimed the link.
package final class ReferenceLink: Sendable {
    struct Inbox: Sendable {
        var bytes = ByteBuffer()
        var hasEnded = false

        mutating func take(_ count: Int) -> ByteBuffer {
            bytes.readSlice(length: min(count, bytes.readableBytes)) ?? ByteBuffer()
        }
    }

    package let id: String
    /// The certificate the server showed on it; the client's side of TLS only.
    package let fingerprint: String?
    package let channel: any Channel
    let inbox: Awaited<Inbox>

    init(id: String = "", fingerprint: String? = nil, channel: any Channel, inbox: Awaited<Inbox>) {
        self.id = id
        self.fingerprint = fingerprint
        self.channel = channel
        self.inbox = inbox
    }

    /// Whether the other side has ended; bytes may still wait to be read.
    package var hasEnded: Bool { inbox.current.hasEnded }

    package func write(_ text: String) async throws {
        try await write(ByteBuffer(string: text))
    }

    package func write(_ bytes: ByteBuffer) async throws {
        try await channel.writeAndFlush(bytes).get(within: .seconds(30), "a write on link \(id)")
    }

    /// The next `count` bytes, or fewer if the other side ends before.
    package func read(_ count: Int) async throws -> ByteBuffer {
        try await inbox.wait(for: "\(count) bytes on link \(id)") { inbox in
            inbox.bytes.readableBytes >= count || inbox.hasEnded ? inbox.take(count) : nil
        }
    }

    package func readText(_ count: Int) async throws -> String {
        String(buffer: try await read(count))
    }

    /// Everything up to the other side's end.
    package func readToEnd() async throws -> ByteBuffer {
        try await read(.max)
    }

    /// Whatever has come, at least a byte, or nothing at the end; only cancellation ends the wait.
    func next() async throws -> ByteBuffer {
        try await inbox.wait(for: "bytes", limit: nil) { inbox in
            inbox.bytes.readableBytes > 0 || inbox.hasEnded ? inbox.take(.max) : nil
        }
    }

    /// Ends our direction and keeps the other: a FIN, after close_notify where there is TLS.
    package func endOutput() async throws {
        try await channel.close(mode: .output).get(within: .seconds(30), "the end of link \(id)")
    }

    /// Closes both directions, if that has not happened already.
    package func close() async {
        channel.close(promise: nil)
        try? await channel.closeFuture.get(within: .seconds(30), "the close of link \(id)")
    }
}

/// Puts everything a connection brings into an inbox.
final class InboxFillingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let inbox: Awaited<ReferenceLink.Inbox>

    init(_ inbox: Awaited<ReferenceLink.Inbox>) {
        self.inbox = inbox
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Self.unwrapInboundIn(data)
        inbox.change { _ = $0.bytes.writeImmutableBuffer(bytes) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { inbox.change { $0.hasEnded = true } }
    }

    func channelInactive(context: ChannelHandlerContext) {
        inbox.change { $0.hasEnded = true }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

/// Turns every write into writes of one byte, each flushed at once.
package final class SingleByteHandler: ChannelOutboundHandler {
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    package init() {}

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var bytes = Self.unwrapOutboundIn(data)
        guard bytes.readableBytes > 0 else { return context.write(data, promise: promise) }
        while let byte = bytes.readSlice(length: 1) {
            context.writeAndFlush(Self.wrapOutboundOut(byte), promise: bytes.readableBytes == 0 ? promise : nil)
        }
    }
}

extension EventLoopFuture where Value: Sendable {
    /// The value, or `AwaitedTimeout` after the limit.
    func get(within limit: TimeAmount, _ what: String) async throws -> Value {
        let promise = eventLoop.makePromise(of: Value.self)
        let timer = eventLoop.scheduleTask(in: limit) {
            promise.fail(AwaitedTimeout(description: "waited for \(what)"))
        }
        whenComplete { result in
            timer.cancel()
            promise.completeWith(result)
        }
        return try await promise.futureResult.get()
    }
}
