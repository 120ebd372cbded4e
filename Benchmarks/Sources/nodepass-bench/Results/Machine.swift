import Foundation

/// Where and when numbers were taken: they mean nothing without it.
struct Machine: Codable {
    /// Above this share of the cores something else is at work, and the numbers are noise.
    private static let quietLoadPerCore = 0.25

    let date: String
    let processor: String
    let cores: Int
    let kernel: String
    /// The load average of the last minute, before the first measurement.
    let load: Double

    init() {
        date = Date().formatted(.iso8601)
        cores = ProcessInfo.processInfo.activeProcessorCount
        let release = ProcFile.text("/proc/sys/kernel/osrelease") ?? "unknown"
        kernel = release.trimmingCharacters(in: .whitespacesAndNewlines)
        let line = ProcFile.text("/proc/cpuinfo")?.split(separator: "\n").first { $0.hasPrefix("model name") }
        let name = line?.split(separator: ":").last.map(String.init) ?? "unknown processor"
        processor = name.trimmingCharacters(in: .whitespaces)
        load = ProcFile.text("/proc/loadavg")?.split(separator: " ").first.flatMap { Double($0) } ?? 0
    }

    var title: String { "\(date)  \(processor), \(cores) cores, Linux \(kernel), load \(load)" }

    var isQuiet: Bool { load <= Double(cores) * Self.quietLoadPerCore }
}
