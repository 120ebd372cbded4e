import CLinux
import Foundation

/// A program that the benchmark started, and ends.
final class ChildProcess: Sendable {
    let pid: pid_t
    private let log: String

    /// Starts a program, looked for in PATH when `path` has no slash; what it prints goes to a file in `directory`.
    init(
        _ path: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        in directory: TemporaryDirectory
    ) throws {
        guard let program = path.contains("/") ? path : Self.find(path) else {
            throw BenchmarkFailure("\(path) is not in PATH")
        }
        log = directory.path + "/" + UUID().uuidString + ".log"
        let output = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard output >= 0 else { throw BenchmarkFailure(system: "open") }
        defer { close(output) }
        let variables = ProcessInfo.processInfo.environment.merging(environment) { _, own in own }
        pid = try Children.start {
            try Self.withCStrings([program] + arguments) { arguments in
                try Self.withCStrings(variables.map { "\($0)=\($1)" }) { variables in
                    let pid = clinux_spawn(program, arguments, variables, output)
                    guard pid > 0 else { throw BenchmarkFailure(system: "fork") }
                    return pid
                }
            }
        }
    }

    /// Where a program is, if PATH has it.
    static func find(_ name: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return path.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    var isRunning: Bool { Children.isRunning(pid) }

    var process: ProcessReadings { ProcessReadings(pid: pid) }

    /// The first line it has printed.
    var firstLine: String? { lines.first }

    /// The last line it has printed, for a message about its failure.
    var lastLine: String? { lines.last }

    func firstLine(containing text: String) -> String? { lines.first { $0.contains(text) } }

    /// Ends it at once: nothing that a subject could still do matters here.
    func end() {
        Children.end(pid)
    }

    /// Waits for an end of its own; whether it succeeded.
    func succeeds() -> Bool {
        Children.wait(pid) == 0
    }

    private var lines: [String] {
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    private static func withCStrings<Result>(
        _ texts: [String],
        _ body: ([UnsafeMutablePointer<CChar>?]) throws -> Result
    ) rethrows -> Result {
        let copies = texts.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return try body(copies + [nil])
    }
}
