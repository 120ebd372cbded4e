import Foundation

/// Where configurations, logs and states of the subjects live during one run.
struct TemporaryDirectory: Sendable {
    private static let removals = 10

    let path: String

    /// Short, as the path of a daemon's socket has a limit of 107 bytes.
    init() throws {
        var template = Array("/tmp/nodepass-bench.XXXXXX".utf8CString)
        guard let created = mkdtemp(&template) else { throw BenchmarkFailure(system: "mkdtemp") }
        path = String(cString: created)
    }

    func write(_ text: String, to name: String) throws -> String {
        let file = path + "/" + name
        try text.write(toFile: file, atomically: false, encoding: .utf8)
        return file
    }

    /// Once more where something was still written into it meanwhile, as after ^C.
    func remove() {
        for _ in 0..<Self.removals where access(path, F_OK) == 0 {
            try? FileManager.default.removeItem(atPath: path)
        }
    }
}
