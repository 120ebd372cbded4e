import DequeModule
import Glibc
import NIOPosix
import Synchronization

/// Writes lines from one thread of its own, so that a reader that stops reading stops nothing but the log.
///
/// Lines wait in a bounded ring. When it is full the oldest are dropped, and the next line that is written says how many.
final class LogWriter: Sendable {
    struct Limits: Sendable {
        /// A second of a very chatty daemon.
        var lines = 8192
        var bytes = 4 << 20
        /// How long the end of the process waits for a reader that does not read.
        var patience = Duration.seconds(1)
    }

    private struct State {
        var lines: Deque<[UInt8]> = []
        var bytes = 0
        var dropped = 0
        var isWriting = false
        var idle: [CheckedContinuation<Void, Never>] = []

        mutating func append(_ line: [UInt8], _ limits: Limits) {
            lines.append(line)
            bytes += line.count
            while lines.count > limits.lines || bytes > limits.bytes, lines.count > 1, let oldest = lines.popFirst() {
                bytes -= oldest.count
                dropped += 1
            }
        }

        mutating func takeAll() -> (lines: Deque<[UInt8]>, dropped: Int) {
            defer {
                lines = []
                bytes = 0
                dropped = 0
            }
            return (lines, dropped)
        }
    }

    private let descriptor: Int32
    private let limits: Limits
    /// What a line about dropped ones looks like.
    private let notice: @Sendable (Int) -> String
    private let thread = NIOThreadPool(numberOfThreads: 1)
    private let state = Mutex(State())

    init(
        _ descriptor: Int32 = STDOUT_FILENO,
        limits: Limits = Limits(),
        notice: @escaping @Sendable (Int) -> String
    ) {
        self.descriptor = descriptor
        self.limits = limits
        self.notice = notice
        thread.start()
    }

    deinit {
        thread.shutdownGracefully { _ in }
    }

    /// Never waits.
    func write(_ line: String) {
        let bytes = Array(line.utf8) + [UInt8(ascii: "\n")]
        let mustBegin = state.withLock { state in
            state.append(bytes, limits)
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if mustBegin { thread.submit { _ in self.writeWaiting() } }
    }

    /// Returns when everything is written, or the reader has not read for the time of the limit.
    func flush() async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                if (try? await Task.sleep(for: self.limits.patience)) != nil { self.giveUp() }
            }
            await untilIdle()
            group.cancelAll()
        }
    }

    private func untilIdle() async {
        await withCheckedContinuation { waiter in
            let isIdle = state.withLock { state in
                if state.isWriting { state.idle.append(waiter) }
                return !state.isWriting
            }
            if isIdle { waiter.resume() }
        }
    }

    /// Lets those who wait for the end go on.
    private func giveUp() {
        for waiter in takeWaiters() { waiter.resume() }
    }

    private func takeWaiters() -> [CheckedContinuation<Void, Never>] {
        state.withLock { state in
            defer { state.idle = [] }
            return state.idle
        }
    }

    // MARK: The thread

    private func writeWaiting() {
        while true {
            let (lines, dropped) = state.withLock { state in
                if state.lines.isEmpty { state.isWriting = false }
                return state.takeAll()
            }
            guard !lines.isEmpty else { return giveUp() }
            var text = dropped > 0 ? Array((notice(dropped) + "\n").utf8) : []
            for line in lines { text += line }
            Self.writeAll(text, to: descriptor)
        }
    }

    /// What cannot be written, because the reader is gone or the disk is full, is lost.
    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                sent += count
            } else if count < 0, errno == EAGAIN {
                var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&poller, 1, -1)
            } else if count == 0 || errno != EINTR {
                return
            }
        }
    }
}
