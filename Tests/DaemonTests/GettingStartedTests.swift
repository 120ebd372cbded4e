import Foundation
import TestSupport
import Testing

@Suite("docs/getting-started.md", .timeLimit(.minutes(2)))
struct GettingStartedTests {
    /// A command of the page and the lines that it shows below it.
    private struct Step {
        let command: String
        var output: [String] = []
    }

    /// The blocks of the page in this language, without their fences.
    private static func blocks(_ language: String, of page: String) -> [String] {
        page.components(separatedBy: "```\(language)\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
    }

    private static func steps(_ page: String) -> [Step] {
        var steps: [Step] = []
        for line in blocks("console", of: page).joined().split(separator: "\n") {
            if line.hasPrefix("$ ") {
                steps.append(Step(command: String(line.dropFirst(2))))
            } else {
                steps[steps.count - 1].output.append(String(line))
            }
        }
        return steps
    }

    /// Whether a line is what the page shows, where `…` is anything and columns have any width.
    private static func matches(_ line: Substring, _ shown: String) -> Bool {
        func words(_ text: some StringProtocol) -> String { text.split(separator: " ").joined(separator: " ") }
        var rest = words(line)[...]
        let parts = words(shown).components(separatedBy: "…")
        guard rest.hasPrefix(parts[0]) else { return false }
        for part in parts.dropFirst() {
            let text = part.split(separator: " ").joined(separator: " ")
            guard !text.isEmpty else { continue }
            guard let found = rest.range(of: text) else { return false }
            rest = rest[found.upperBound...]
        }
        return parts.count > 1 || words(line) == words(shown)
    }

    @Test("every command of the page does what the page shows")
    func transcript() async throws {
        let ports = try FreePorts.take(3)
        let file = Example.folder.appendingPathComponent("../docs/getting-started.md")
        var page = try String(contentsOf: file, encoding: .utf8)
        // Not at once: a free port may have the digits of the next one.
        let written = [("18080", "<target>"), ("18081", "<other>"), ("8080", "<tunnel>")]
        for (port, mark) in written { page = page.replacing(port, with: mark) }
        for ((_, mark), port) in zip(written, ports) { page = page.replacing(mark, with: "\(port)") }
        let directory = try TemporaryDirectory()
        try directory.write(try #require(Self.blocks("yaml", of: page).first), to: "tunnels.yaml")
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n"
        _ = try await EchoServer.start(.answer(answer), at: ports[0])
        var daemon: Daemon?
        for step in Self.steps(page) {
            // What comes before the daemon is started is the check of the manifest alone.
            if daemon == nil, !step.command.contains("validate") { daemon = try await Daemon.start(in: directory) }
            let shell = """
                cd '\(directory.path)'; nodepass() { '\(RunningProcess.binary)' "$@"; }; \(step.command) 2>&1
                """
            let finished = try await RunningProcess.run(
                ["-c", shell],
                environment: ["NODEPASS_STATE_DIR": directory.file("state")],
                executable: "/bin/sh"
            )
            let lines = finished.output.split(separator: "\n")
            #expect(lines.count == step.output.count, "\(step.command): \(finished.output)\(finished.errors)")
            for (line, shown) in zip(lines, step.output) {
                #expect(Self.matches(line, shown), "\(step.command): \(line)")
            }
        }
        try await daemon?.stop()
    }
}
