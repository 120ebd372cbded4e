import Foundation

/// What /proc says about one process.
struct ProcessReadings {
    private static let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))

    /// What the load generator itself takes.
    static let own = ProcessReadings(pid: getpid())

    let pid: pid_t

    /// User and system time of all its threads, in steps of 10 ms as a rule.
    var cpuSeconds: Double {
        // The second field may hold blanks, but ends with the last parenthesis.
        guard let text = read("stat"), let end = text.lastIndex(of: ")") else { return 0 }
        let fields = text[end...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13])
        else { return 0 }
        return (user + system) / Self.ticksPerSecond
    }

    var residentBytes: Int {
        let line = read("status")?.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        let kibibytes = line?.split(separator: "\t").last?.split(separator: " ").first.flatMap { Int($0) }
        return (kibibytes ?? 0) * 1024
    }

    /// Those that it has started itself and that still run.
    var children: [ProcessReadings] {
        let pids = read("task/\(pid)/children")?.split(separator: " ").compactMap { pid_t($0) } ?? []
        return pids.map { ProcessReadings(pid: $0) }
    }

    var socketCount: Int {
        let directory = "/proc/\(pid)/fd"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.count { name in
            let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\(name)")
            return link?.hasPrefix("socket:") ?? false
        }
    }

    private func read(_ name: String) -> String? {
        ProcFile.text("/proc/\(pid)/\(name)")
    }
}
