import CLinux
import Glibc

/// Does the calls that move bytes, and keeps those that were read and could not be written yet.
struct RelayBytes {
    enum Outcome {
        case fine
        case sourceBroke
        case sinkBroke
    }

    static let scratchBytes = 64 * 1024

    private var pipes: PipePool
    private var hasSplice = true
    /// What was just read, before it is written: nothing is in it between two calls.
    private let scratch = UnsafeMutableRawPointer.allocate(byteCount: scratchBytes, alignment: 64)

    init(pipes limit: Int) {
        pipes = PipePool(limit: limit)
    }

    mutating func deallocate() {
        pipes.closeAll()
        scratch.deallocate()
    }

    // MARK: Moving

    /// Takes bytes from the source, and gives them to the sink as far as it takes them.
    mutating func read(
        _ source: UnsafeMutablePointer<PairEnd>,
        _ sink: UnsafeMutablePointer<PairEnd>,
        _ moved: inout Int
    ) -> Outcome {
        if source.pointee.flow.isBulk {
            if hasSplice, let pipe = pipes.take() { return fill(pipe, source, &moved) }
            source.pointee.flow.leaveBulk()
        }
        let count = recv(source.pointee.descriptor, scratch, Self.scratchBytes, 0)
        guard count > 0 else { return nothingRead(count, source) }
        moved += count
        source.pointee.flow.didRead(count, room: Self.scratchBytes)
        let written = send(sink.pointee.descriptor, scratch, count, Self.sendFlags)
        if written == count {
            source.pointee.flow.didWrite(count)
            return .fine
        }
        let outcome = wrote(written, source)
        if outcome == .fine { keep(scratch + max(0, written), count - max(0, written), source) }
        return outcome
    }

    private static let sendFlags = Int32(MSG_NOSIGNAL)

    /// Has the kernel move what the source has into the pipe.
    private mutating func fill(
        _ pipe: KernelPipe,
        _ source: UnsafeMutablePointer<PairEnd>,
        _ moved: inout Int
    )
        -> Outcome
    {
        let count = splice(source.pointee.descriptor, nil, pipe.input, nil, pipe.capacity, Self.spliceFlags)
        guard count > 0 else {
            let error = errno
            pipes.giveBack(pipe, isEmpty: true)
            if count < 0, error == EINVAL || error == ENOSYS || error == EPERM {
                hasSplice = false
                source.pointee.flow.leaveBulk()
                return .fine
            }
            errno = error
            return nothingRead(count, source)
        }
        moved += count
        source.pointee.flow.didRead(count, room: pipe.capacity)
        source.pointee.held = .pipe(pipe)
        return .fine
    }

    private static let spliceFlags = UInt32(LINUX_SPLICE_F_MOVE | LINUX_SPLICE_F_NONBLOCK)

    private func nothingRead(_ result: Int, _ source: UnsafeMutablePointer<PairEnd>) -> Outcome {
        if result == 0 {
            source.pointee.flow.sourceEnded()
            return .fine
        }
        switch errno {
        case EAGAIN: source.pointee.flow.sourceHasNothing()
        case EINTR: break
        default: return .sourceBroke
        }
        return .fine
    }

    /// Gives the sink what is held.
    mutating func write(_ source: UnsafeMutablePointer<PairEnd>, _ sink: UnsafeMutablePointer<PairEnd>) -> Outcome {
        let count = source.pointee.flow.held
        let written: Int
        switch source.pointee.held {
        case .nothing: preconditionFailure("a flow holds bytes that are nowhere")
        case .memory(let bytes, let start):
            written = send(sink.pointee.descriptor, bytes + start, count, Self.sendFlags)
            if written > 0 { source.pointee.held = .memory(bytes, start: start + written) }
        case .pipe(let pipe):
            written = splice(pipe.output, nil, sink.pointee.descriptor, nil, count, Self.spliceFlags)
        }
        let outcome = wrote(written, source)
        if source.pointee.flow.held == 0 { letGo(source, isEmpty: true) }
        return outcome
    }

    private func wrote(_ result: Int, _ source: UnsafeMutablePointer<PairEnd>) -> Outcome {
        if result > 0 {
            source.pointee.flow.didWrite(result)
            return .fine
        }
        switch errno {
        case EAGAIN: source.pointee.flow.sinkIsFull()
        case EINTR: break
        default: return .sinkBroke
        }
        return .fine
    }

    // MARK: Keeping

    /// Puts bytes in front of those of the source.
    mutating func put(_ bytes: UnsafeRawBufferPointer, in source: UnsafeMutablePointer<PairEnd>) {
        guard let start = bytes.baseAddress else { return }
        source.pointee.flow.put(bytes.count)
        keep(start, bytes.count, source)
    }

    private func keep(_ bytes: UnsafeRawPointer, _ count: Int, _ source: UnsafeMutablePointer<PairEnd>) {
        let copy = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 16)
        copy.copyMemory(from: bytes, byteCount: count)
        source.pointee.held = .memory(copy, start: 0)
    }

    private mutating func letGo(_ source: UnsafeMutablePointer<PairEnd>, isEmpty: Bool) {
        switch source.pointee.held {
        case .nothing: break
        case .memory(let bytes, _): bytes.deallocate()
        case .pipe(let pipe): pipes.giveBack(pipe, isEmpty: isEmpty)
        }
        source.pointee.held = .nothing
    }

    /// Nothing more can be written to where this source's bytes go.
    mutating func sinkBroke(_ source: UnsafeMutablePointer<PairEnd>) {
        letGo(source, isEmpty: source.pointee.flow.held == 0)
        source.pointee.flow.sinkBroke()
    }

    /// Closes the socket, which takes it out of the `epoll`: it has no duplicates.
    mutating func release(_ end: UnsafeMutablePointer<PairEnd>) {
        if end.pointee.descriptor >= 0 { _ = close(end.pointee.descriptor) }
        letGo(end, isEmpty: end.pointee.flow.held == 0)
        end.pointee = PairEnd()
    }
}
