import Glibc

/// How many files this process, and those it starts, may have open.
enum OpenFiles {
    static func allow(_ count: Int) throws {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            throw BenchmarkFailure(system: "getrlimit")
        }
        let wanted = rlim_t(count)
        guard limit.rlim_cur < wanted else { return }
        limit.rlim_cur = min(wanted, limit.rlim_max)
        guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur >= wanted else {
            throw BenchmarkFailure("only \(limit.rlim_max) open files are allowed, \(count) are needed")
        }
    }
}
