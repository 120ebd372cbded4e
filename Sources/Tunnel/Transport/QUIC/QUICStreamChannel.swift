#if QUIC
import CQUIC
import NIOCore
import Synchronization

/// One stream of a QUIC connection as a channel of bytes: with two halves, and with back-pressure both ways.
///
/// Everything but the two flags is touched on its loop alone, which `Channel` cannot say to the
/// compiler: hence `@unchecked`. Bytes are delivered behind a read, never within it.
final class QUICStreamChannel: Channel, ChannelCore, @unchecked Sendable {
    let allocator = ByteBufferAllocator()
    let eventLoop: any EventLoop
    let parent: (any Channel)?
    let localAddress: SocketAddress?
    let remoteAddress: SocketAddress?
    let id: Int64
    /// It waits to be processed.
    var isTouched = false
    private var madePipeline: ChannelPipeline?
    private let closePromise: EventLoopPromise<Void>
    private let active = Atomic<Bool>(false)
    private let writable = Atomic<Bool>(true)
    private var connection: QUICConnection?
    /// Nil once the library has freed it.
    private var stream: OpaquePointer?
    private var isClosed = false
    var autoRead = true
    var waterMark = ChannelOptions.Types.WriteBufferWaterMark.relay

    // Reading
    private var received = CircularBuffer<ByteBuffer>()
    /// How much a buffer for the next bytes has room for.
    private var bufferBytes = QUICStreamChannel.smallestBuffer
    private var wantsRead = false
    private var isDelivering = false
    private var isDeliveryDue = false
    private var hasInputEnded = false
    private var isInputEndDelivered = false
    private var isReset = false
    /// The first byte that has come makes a stream visible, and is nobody's.
    private var awaitsFirstByte: Bool

    // Writing
    private var unflushed = CircularBuffer<(ByteBuffer, EventLoopPromise<Void>?)>()
    private var promises = CircularBuffer<(end: Int, promise: EventLoopPromise<Void>)>()
    /// Of bytes that were written, were given to the library, and have left.
    private var written = 0
    private var flushed = 0
    private var sent = 0
    private var isOutputClosed = false
    /// The peer takes nothing more.
    private var isStopped = false
    private var limit: Scheduled<Void>?

    private static let smallestBuffer = 2 * 1024
    private static let largestBuffer = 64 * 1024

    init(_ connection: QUICConnection, id: Int64, stream: OpaquePointer, parent: any Channel, isOfPeer: Bool) {
        self.connection = connection
        self.id = id
        self.stream = stream
        self.parent = parent
        awaitsFirstByte = isOfPeer
        eventLoop = parent.eventLoop
        localAddress = parent.localAddress
        remoteAddress = connection.remoteAddress
        closePromise = parent.eventLoop.makePromise()
        madePipeline = ChannelPipeline(channel: self)
    }

    var pipeline: ChannelPipeline {
        guard let madePipeline else { preconditionFailure("made in init") }
        return madePipeline
    }

    var closeFuture: EventLoopFuture<Void> { closePromise.futureResult }
    var isActive: Bool { active.load(ordering: .relaxed) }
    var isWritable: Bool { writable.load(ordering: .relaxed) }
    var _channelCore: any ChannelCore { self }

    // MARK: Called by the connection

    /// The channel is ready for handlers.
    func activate() {
        active.store(true, ordering: .relaxed)
        pipeline.fireChannelActive()
        if autoRead { pipeline.read() }
    }

    /// From within the library: only kept.
    func received(_ bytes: UnsafeRawBufferPointer, isLast: Bool) {
        if isLast { hasInputEnded = true }
        guard !isClosed, bytes.count > 0 else { return }
        if let last = received.indices.last,
            received[last].storageCapacity - received[last].writerIndex >= bytes.count
        {
            received[last].writeBytes(bytes)
            return
        }
        if !received.isEmpty { bufferBytes = min(bufferBytes * 4, Self.largestBuffer) }
        var buffer = allocator.buffer(capacity: max(bytes.count, bufferBytes))
        buffer.writeBytes(bytes)
        received.append(buffer)
    }

    /// From within the library: the peer has given its direction up.
    func wasReset() { isReset = true }

    /// From within the library: the peer takes nothing more.
    func wasStopped() { isStopped = true }

    /// From within the library: so many more bytes have left.
    func left(_ bytes: Int) { sent += bytes }

    /// From within the library, which frees the stream.
    func streamClosed() { stream = nil }

    /// True once, when the stream's first byte has come, which is dropped.
    func takeFirstByte() -> Bool {
        guard awaitsFirstByte, !received.isEmpty else { return false }
        awaitsFirstByte = false
        received[received.startIndex].moveReaderIndex(forwardBy: 1)
        credit(1)
        if received[received.startIndex].readableBytes == 0 { received.removeFirst() }
        return true
    }

    /// Closed here and in the library.
    var isDone: Bool { isClosed && stream == nil }

    /// A peer's stream that has ended, or been given up, before its first byte.
    var isVoid: Bool { awaitsFirstByte && (hasInputEnded || isReset) }

    /// Acts on what has come from the library since the last time.
    func process() {
        guard !isClosed else { return }
        reportWritten()
        deliver()
        guard !isClosed else { return }
        if isReset { return fail(QUICProblem("the peer gave the stream up")) }
        // Over in the library while this end would send: the peer has given up both directions.
        if stream == nil, !isOutputClosed { isStopped = true }
        guard isStopped else { return }
        if isInputEndDelivered { return close0(error: ChannelError.eof, mode: .all, promise: nil) }
        // What the peer has sent may still be on its way.
        setLimit { self.close0(error: ChannelError.eof, mode: .all, promise: nil) }
    }

    /// The connection is no more; `problem` is nil where this end has closed it.
    func connectionEnded(_ problem: QUICProblem?) {
        stream = nil
        guard !isClosed else { return detach() }
        deliver()
        if let problem { fail(problem) } else { close0(error: ChannelError.eof, mode: .all, promise: nil) }
        connection = nil
    }

    private func setLimit(_ work: @escaping () -> Void) {
        guard limit == nil else { return }
        limit = eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(TunnelLimits.lingerAfterReset), work)
    }

    // MARK: Reading

    func read0() {
        wantsRead = true
        guard !isDelivering, !isDeliveryDue, !received.isEmpty || hasInputEnded else { return }
        isDeliveryDue = true
        eventLoop.assumeIsolated().execute {
            self.isDeliveryDue = false
            self.process()
        }
    }

    private func deliver() {
        guard !isDelivering, isActive, !awaitsFirstByte else { return }
        isDelivering = true
        while wantsRead, isActive, let bytes = received.popFirst() {
            wantsRead = false
            if received.isEmpty, bytes.readableBytes < bufferBytes / 4 {
                bufferBytes = max(bufferBytes / 2, Self.smallestBuffer)
            }
            credit(bytes.readableBytes)
            pipeline.fireChannelRead(bytes)
            pipeline.fireChannelReadComplete()
            if autoRead, isActive { pipeline.read() }
        }
        isDelivering = false
        guard wantsRead, isActive, hasInputEnded, received.isEmpty, !isInputEndDelivered else { return }
        isInputEndDelivered = true
        pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        closeIfOver()
    }

    /// The peer may send as much again.
    private func credit(_ bytes: Int) {
        guard let stream, !hasInputEnded else { return }
        cq_stream_credit(stream, bytes)
        connection?.changed()
    }

    // MARK: Writing

    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        let bytes = unwrapData(data, as: ByteBuffer.self)
        guard !isClosed else { return promise?.fail(ChannelError.ioOnClosedChannel) ?? () }
        guard !isOutputClosed, !isStopped else { return promise?.fail(ChannelError.outputClosed) ?? () }
        written += bytes.readableBytes
        unflushed.append((bytes, promise))
        updateWritability()
    }

    func flush0() {
        guard let stream else { return }
        while let (bytes, promise) = unflushed.popFirst() {
            let isTaken = bytes.withUnsafeReadableBytes { bytes in
                cq_stream_write(stream, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count) != 0
            }
            guard isTaken else {
                promise?.fail(ChannelError.ioOnClosedChannel)
                return connection?.cut() ?? ()
            }
            flushed += bytes.readableBytes
            guard let promise else { continue }
            if sent >= flushed { promise.succeed() } else { promises.append((flushed, promise)) }
        }
        connection?.changed()
    }

    private func reportWritten() {
        while let first = promises.first, first.end <= sent { promises.removeFirst().promise.succeed() }
        updateWritability()
    }

    func updateWritability() {
        let waiting = written - sent
        if waiting > waterMark.high, isWritable {
            writable.store(false, ordering: .relaxed)
            pipeline.fireChannelWritabilityChanged()
        } else if waiting < waterMark.low, !isWritable {
            writable.store(true, ordering: .relaxed)
            pipeline.fireChannelWritabilityChanged()
        }
    }

    // MARK: Ending

    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard !isClosed else { return promise?.fail(ChannelError.alreadyClosed) ?? () }
        switch mode {
        case .input: promise?.fail(ChannelError.operationUnsupported)
        case .output:
            endOutput()
            promise?.succeed()
            closeIfOver()
        case .all:
            endOutput()
            // NodePass only ever ends its direction, and waits for the other end to do so.
            if let stream, !hasInputEnded, connection?.isOfOwnPeer == true { cq_stream_stop(stream) }
            connection?.changed()
            finish(failing: error, promise)
        }
    }

    /// As a socket does, once both its directions have ended.
    private func closeIfOver() {
        guard isOutputClosed, isInputEndDelivered, !isClosed else { return }
        close0(error: ChannelError.eof, mode: .all, promise: nil)
    }

    private func endOutput() {
        guard !isOutputClosed else { return }
        flush0()
        isOutputClosed = true
        guard let stream else { return }
        cq_stream_finish(stream)
        connection?.changed()
    }

    private func fail(_ error: any Error) {
        guard !isClosed else { return }
        pipeline.fireErrorCaught(error)
        guard !isClosed else { return }
        if let stream { cq_stream_reset(stream) }
        connection?.changed()
        finish(failing: error, nil)
    }

    private func finish(failing error: any Error, _ promise: EventLoopPromise<Void>?) {
        isClosed = true
        active.store(false, ordering: .relaxed)
        limit?.cancel()
        limit = nil
        received.removeAll()
        // A peer that takes nothing must not have what waits for it kept for long, nor one that does not end its
        // direction its stream.
        if stream != nil, written > sent || !hasInputEnded { setLimit { self.giveUp() } }
        while let (_, promise) = unflushed.popFirst() { promise?.fail(error) }
        while let (_, promise) = promises.popFirst() { promise.fail(error) }
        promise?.succeed()
        pipeline.fireChannelInactive()
        if stream == nil { connection?.forget(self) }
        eventLoop.assumeIsolated().execute {
            self.removeHandlers(pipeline: self.pipeline)
            self.closePromise.succeed()
        }
    }

    private func giveUp() {
        guard let stream else { return }
        cq_stream_reset(stream)
        connection?.changed()
    }

    /// No more comes of the library: the stream is closed there and here.
    func detach() {
        limit?.cancel()
        limit = nil
        connection = nil
    }
}
#endif
