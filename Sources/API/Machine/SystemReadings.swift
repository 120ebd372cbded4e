import FoundationEssentials
import Glibc
import NIOCore
import Synchronization

/// The machine as `/proc` shows it: the counters that `/info` gives out.
final class SystemReadings: Sendable {
    struct Snapshot: Sendable {
        var cpuPercent: Int64
        var memory: ProcText.Memory
        var network: ProcText.Network
        var disk: ProcText.Disk
        var uptimeSeconds: Int64
    }

    private struct Sample {
        var times: ProcText.CPUTimes
        var at: ContinuousClock.Instant
        var percent: Int64
    }

    /// Load is the difference of two readings; readings closer together are too coarse.
    private static let shortestInterval = Duration.milliseconds(100)
    private let last = Mutex<Sample?>(nil)

    /// Load is measured since the last call; the first call takes 100 ms to have something to
    /// compare with.
    func read() async throws -> Snapshot {
        if last.withLock({ $0 == nil }) {
            measureLoad()
            try await Task.sleep(for: Self.shortestInterval)
        }
        return Snapshot(
            cpuPercent: measureLoad(),
            memory: ProcText.memory(Self.text("/proc/meminfo")),
            network: ProcText.network(Self.text("/proc/net/dev")),
            disk: ProcText.disk(Self.text("/proc/diskstats")),
            uptimeSeconds: ProcText.uptime(Self.text("/proc/uptime"))
        )
    }

    @discardableResult
    private func measureLoad() -> Int64 {
        let times = ProcText.cpuTimes(Self.text("/proc/stat"))
        let now = ContinuousClock.now
        return last.withLock { last in
            guard let former = last else {
                last = Sample(times: times, at: now, percent: 0)
                return 0
            }
            guard now - former.at >= Self.shortestInterval else { return former.percent }
            let percent = times.percentBusy(since: former.times)
            last = Sample(times: times, at: now, percent: percent)
            return percent
        }
    }

    static var coreCount: Int { System.coreCount }

    /// The machine's name; empty where the kernel does not say.
    static let hostName =
        text("/proc/sys/kernel/hostname").split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""

    /// Go's name for the processor, which clients show.
    static var architecture: String {
        #if arch(x86_64)
        "amd64"
        #elseif arch(arm64)
        "arm64"
        #else
        "unknown"
        #endif
    }

    /// A whole file of `/proc`, or nothing: these files have no length, so they are read until they
    /// end.
    static func text(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while bytes.count < 1 << 20 {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// This process as `/proc/self` shows it.
struct ProcessReadings: Sendable {
    let cpuSeconds: Double
    let residentBytes: Int64
    let openFiles: Int

    static var now: ProcessReadings {
        // The second field is the program's name in parentheses, which may hold spaces.
        let stat = SystemReadings.text("/proc/self/stat").split(separator: ")").last?.split(separator: " ") ?? []
        let ticks = stat.count > 12 ? (Double(stat[11]) ?? 0) + (Double(stat[12]) ?? 0) : 0
        let pages = SystemReadings.text("/proc/self/statm").split(separator: " ").dropFirst().first.flatMap {
            Int64($0)
        }
        return ProcessReadings(
            cpuSeconds: ticks / Double(sysconf(Int32(_SC_CLK_TCK))),
            residentBytes: (pages ?? 0) * Int64(sysconf(Int32(_SC_PAGESIZE))),
            openFiles: (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
        )
    }
}
