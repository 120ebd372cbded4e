import CLinux
import Glibc

/// A pipe through which the kernel moves bytes from one socket to another without copying them.
struct KernelPipe {
    let output: Int32
    let input: Int32
}

/// The pipes of a reactor: as few as are filled at once, kept for the next one who needs one.
struct PipePool {
    /// What one holds at most.
    ///
    /// Without `CAP_SYS_RESOURCE` a user's pipes together get 64 MiB
    /// (`pipe-user-pages-soft`); where the kernel gives less, it is less.
    static let pipeBytes: Int32 = 256 * 1024

    let limit: Int
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
            made += 1
            _ = fcntl(ends[1], Int32(LINUX_F_SETPIPE_SZ), Self.pipeBytes)
            return KernelPipe(output: ends[0], input: ends[1])
        }
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
