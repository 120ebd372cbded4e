import Glibc
import Synchronization

/// Every process that runs because of us, so that none outlives us: not after an error, not after ^C.
///
/// A kill of the benchmark itself is covered by the kernel: children die with the thread that started them.
enum Children {
    private static let running = Mutex<Set<pid_t>>([])
    /// A signal ends the process: who would start another child waits for that.
    private static let isEnding = Atomic<Bool>(false)

    /// Before any other thread starts: ^C and SIGTERM end the children, `cleanUp`, and then the process.
    static func endOnSignals(cleanUp: @escaping @Sendable () -> Void) {
        signal(SIGPIPE, SIG_IGN)
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        _ = Worker { [signals] in
            var signals = signals
            var number: Int32 = 0
            while sigwait(&signals, &number) != 0 {}
            isEnding.store(true, ordering: .sequentiallyConsistent)
            endAll()
            cleanUp()
            _exit(128 + number)
        }
    }

    static func start(_ spawn: () throws -> pid_t) throws -> pid_t {
        while isEnding.load(ordering: .sequentiallyConsistent) { pause() }
        return try running.withLock { running in
            let pid = try spawn()
            running.insert(pid)
            return pid
        }
    }

    static func isRunning(_ pid: pid_t) -> Bool {
        running.withLock { running in
            guard running.contains(pid) else { return false }
            guard waitpid(pid, nil, WNOHANG) == pid else { return true }
            running.remove(pid)
            return false
        }
    }

    /// Nothing is killed that is not known to be ours and alive: its pid may belong to somebody else by now.
    static func end(_ pid: pid_t) {
        running.withLock { running in
            guard running.remove(pid) != nil else { return }
            // It leads a group of its own, and may have started others: a build does.
            kill(-pid, SIGKILL)
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
    }

    /// The status it ended with, or -1.
    static func wait(_ pid: pid_t) -> Int32 {
        // Waits without the lock, which a signal needs to end it, and leaves it there: the pid stays ours until below.
        var information = siginfo_t()
        while waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        return running.withLock { running in
            guard running.remove(pid) != nil else { return -1 }
            var status: Int32 = 0
            return waitpid(pid, &status, 0) == pid ? status : -1
        }
    }

    static func endAll() {
        for pid in running.withLock({ $0 }) { end(pid) }
    }
}
