import CLinux
import Glibc

/// A pipe through which the kernel moves bytes from one socket to another without copying them.
struct KernelPipe {
    let output: Int32
    let input: Int32
    /// How many bytes it holds.
    let capacity: Int
}

/// The pipes of a reactor: as few as are filled at once, kept for the next one who needs one.
struct PipePool {
    /// What one holds: as much as a large socket buffer, so that who waits for it is woken less often.
    static let mostBytes = 1024 * 1024
    /// A smaller one is not worth its calls.
    ///
    /// Without `CAP_SYS_RESOURCE` the system makes no larger ones than `pipe-max-size`, and hardly any room
    /// once a user's pipes together have 64 MiB (`pipe-user-pages-soft`).
    static let leastBytes = 64 * 1024

    private var limit: Int
    private var idle: [KernelPipe] = []
    private var made = 0

    init(limit: Int) {
        self.limit = limit
    }

    /// Nil where there may be no more, or the system gives none.
    mutating func take() -> KernelPipe? {
        if let pipe = idle.popLast() { return pipe }
        guard made < limit else { return nil }
        // In the stack: an array would be allocated.
        return withUnsafeTemporaryAllocation(of: Int32.self, capacity: 2) { ends in
            guard pipe2(ends.baseAddress, Int32(O_NONBLOCK) | Int32(O_CLOEXEC)) == 0 else { return nil }
            let pipe = KernelPipe(output: ends[0], input: ends[1], capacity: Self.widen(ends[1]))
            guard pipe.capacity >= Self.leastBytes else {
                Self.close(pipe)
                // Asking again for each transfer would cost more than a pipe saves.
                limit = made
                return nil
            }
            made += 1
            return pipe
        }
    }

    /// Gives a pipe as much room as the system allows; how much it has then.
    private static func widen(_ pipe: Int32) -> Int {
        var wanted = mostBytes
        while wanted >= leastBytes {
            let given = fcntl(pipe, Int32(LINUX_F_SETPIPE_SZ), Int32(wanted))
            if given > 0 { return Int(given) }
            wanted /= 2
        }
        return 0
    }

    mutating func giveBack(_ pipe: KernelPipe, isEmpty: Bool) {
        if isEmpty { return idle.append(pipe) }
        Self.close(pipe)
        made -= 1
    }

    mutating func closeAll() {
        for pipe in idle { Self.close(pipe) }
        idle = []
    }

    private static func close(_ pipe: KernelPipe) {
        _ = Glibc.close(pipe.input)
        _ = Glibc.close(pipe.output)
    }
}
