import NIOCore

/// Carries datagrams over a link's byte stream.
///
/// Between two of ours each has its length before it, two bytes, big-endian. NodePass v1.14 has no
/// framing: one write is one datagram and one read is one, which a stream keeps only as long as it
/// is not busy.
final class DatagramLinkCodec: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let isFramed: Bool
    private var received = ByteBuffer()
    private var unsent: ByteBuffer?
    private let flight: FlightWatch?

    init(isFramed: Bool, flight: FlightWatch? = nil) {
        self.isFramed = isFramed
        self.flight = flight
    }

    /// Takes over a link: everything that comes behind this handler is whole datagrams.
    static func install(
        on link: Link,
        isFramed: Bool,
        _ keepAlive: KeepAlive?,
        _ user: any ChannelHandler
    ) throws {
        let channel = link.channel
        let early = link.release()
        let flight = keepAlive.map { FlightWatch($0, [channel]) }
        let codec = DatagramLinkCodec(isFramed: isFramed, flight: flight)
        let pipeline = channel.pipeline.syncOperations
        if !isFramed, link.hasDatagramRecords {
            try pipeline.addHandler(TLSRecordSplitter(), position: .first)
        }
        try pipeline.addHandlers([codec, user])
        let context = try pipeline.context(handler: codec)
        for buffer in early.buffers { codec.receive(buffer, context) }
        context.fireChannelReadComplete()
        if early.hasEnded { return channel.closeAtOnce() }
        try channel.readFreely()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        receive(Self.unwrapInboundIn(data), context)
    }

    private func receive(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        guard isFramed else { return context.fireChannelRead(Self.wrapInboundOut(bytes)) }
        var bytes = bytes
        if received.readableBytes == 0 {
            received = bytes
        } else {
            received.writeBuffer(&bytes)
        }
        while let datagram = received.readLengthPrefixedSlice(as: UInt16.self) {
            context.fireChannelRead(Self.wrapInboundOut(datagram))
        }
        if received.readableBytes == 0 { received = ByteBuffer() }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var datagram = Self.unwrapOutboundIn(data)
        guard isFramed else {
            guard datagram.readableBytes <= TunnelLimits.unframedDatagramBytes else {
                promise?.succeed()
                return
            }
            flight?.wrote(on: context.eventLoop)
            return context.writeAndFlush(data, promise: promise)
        }
        // The caller learns that the datagram has been sent or dropped, between which UDP makes no
        // difference.
        promise?.succeed()
        guard let length = UInt16(exactly: datagram.readableBytes) else { return }
        if unsent == nil { unsent = context.channel.allocator.buffer(capacity: datagram.readableBytes + 2) }
        unsent?.writeInteger(length)
        unsent?.writeBuffer(&datagram)
    }

    func flush(context: ChannelHandlerContext) {
        if let bytes = unsent {
            unsent = nil
            flight?.wrote(on: context.eventLoop)
            context.write(Self.wrapOutboundOut(bytes), promise: nil)
        }
        context.flush()
    }

    func channelInactive(context: ChannelHandlerContext) {
        flight?.stop()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A session has no half: what one side ends is over.
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { context.channel.closeAtOnce() }
        context.fireUserInboundEventTriggered(event)
    }
}

/// Before the TLS handler: one read for each TLS record (RFC 8446 §5.1), because NodePass puts a
/// datagram into each.
final class TLSRecordSplitter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private static let headerLength = 5
    private var held = ByteBuffer()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = Self.unwrapInboundIn(data)
        held.writeBuffer(&bytes)
        while let length: UInt16 = held.getInteger(at: held.readerIndex + 3),
            let record = held.readSlice(length: Self.headerLength + Int(length))
        {
            context.fireChannelRead(Self.wrapInboundOut(record))
            context.fireChannelReadComplete()
        }
        held.discardReadBytes()
    }
}
