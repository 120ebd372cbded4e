import Foundation
import Testing

/// Commands that a page shows with their output, to be run again.
struct Transcript {
    /// A command and the lines that the page shows below it.
    struct Step {
        let command: String
        var output: [String] = []
    }

    private(set) var steps: [Step] = []

    /// The commands of a text whose lines after `$ ` are commands, and the others what these print.
    init(_ text: String) {
        for line in text.split(separator: "\n") {
            if line.hasPrefix("$ ") {
                steps.append(Step(command: String(line.dropFirst(2))))
            } else if !steps.isEmpty {
                steps[steps.count - 1].output.append(String(line))
            }
        }
    }

    /// Runs the commands in one shell, in `directory`, for a daemon whose state is in `state` there, and expects of each
    /// what the page shows.
    static func replay(_ steps: some Collection<Step>, in directory: String) async throws {
        let mark = "<end of a step>"
        let commands = steps.map { "{ \($0.command)\n} 2>&1; echo '\(mark)'" }.joined(separator: "\n")
        let shell = "cd '\(directory)'; nodepass() { '\(RunningProcess.binary)' \"$@\"; }\n\(commands)"
        let finished = try await RunningProcess.run(
            ["-c", shell],
            environment: ["NODEPASS_STATE_DIR": directory + "/state"],
            executable: "/bin/sh"
        )
        let outputs = finished.output.components(separatedBy: mark + "\n")
        #expect(outputs.count == steps.count + 1, "\(finished.errors)")
        for (step, output) in zip(steps, outputs) { check(step, output + (step.output.isEmpty ? finished.errors : "")) }
    }

    private static func check(_ step: Step, _ output: String) {
        let lines = output.split(separator: "\n")
        #expect(lines.count == step.output.count, "\(step.command): \(output)")
        for (line, shown) in zip(lines, step.output) { #expect(matches(line, shown), "\(step.command): \(line)") }
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
}
