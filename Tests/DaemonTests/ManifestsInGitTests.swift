import Foundation
import TestSupport
import Testing

@Suite("Manifests in git", .timeLimit(.minutes(1)))
struct ManifestsInGitTests {
    private static let manifest = DeclaredTunnelTests.manifest(("web", 8080, 9))

    /// A shell in the directory that knows `nodepass`, and `gh` where a script for it is given.
    private func run(
        _ script: String,
        in directory: TemporaryDirectory,
        environment: [String: String] = [:]
    ) async throws -> RunningProcess.Finished {
        let shell = "cd '\(directory.path)'; nodepass() { '\(RunningProcess.binary)' \"$@\"; }; set -e; \(script)"
        return try await RunningProcess.run(["-c", shell], environment: environment, executable: "/bin/sh")
    }

    @Test("the hooks of pre-commit pass for a good manifest, and fail for a bad or an untidy one")
    func hooks() async throws {
        let text = try PageBlock.page(".pre-commit-hooks.yaml")
        let hooks = text.matches(of: /entry: (nodepass .+)\n(?:  args: \[(.+)\]\n)?/).map { ($0.1, $0.2 ?? "") }
        try #require(hooks.count == 2)
        let directory = try TemporaryDirectory()
        for (entry, arguments) in hooks {
            // Files come after the arguments where the hook takes them.
            let command = "\(entry) \(arguments.isEmpty ? "tunnels.yaml" : arguments)"
            try directory.write(Self.manifest, to: "tunnels.yaml")
            #expect(try await run(command, in: directory).code == 0, "\(command)")
            try directory.write(Self.manifest.replacing("mode: single", with: "mode: sngle   "), to: "tunnels.yaml")
            let finished = try await run(command + "; cat tunnels.yaml", in: directory)
            // What pre-commit counts as a failure is an exit code, or a file that a hook has changed.
            #expect(finished.code == 1 || finished.output.contains("mode: sngle\n"), "\(command)")
        }
    }

    @Test("the workflow validates the manifest and posts the plan")
    func workflow() async throws {
        let scripts = try PageBlock.page("examples/workflow/nodepass.yaml")
            .matches(of: /run: \|\n((?: {10}.+\n)+)/).map { String($0.1) }
        try #require(scripts.count == 3)
        let port = try FreePorts.one()
        let manifest = DeclaredTunnelTests.manifest(("web", port, 9))
        let daemon = try await Daemon.start(manifest: manifest)
        let key = try await OperatorTests.nodepass("key", "create", "--role", "read", "--label", "ci", on: daemon)
        let directory = try TemporaryDirectory()
        try directory.write(manifest.replacing("127.0.0.1:9", with: "127.0.0.1:10"), to: "tunnels.yaml")
        let posts = "gh() { echo \"$@\"; cat comment.md; }; "
        let finished = try await run(
            posts + scripts.joined(separator: "\n"),
            in: directory,
            environment: [
                "NODEPASS_SERVER": "http://" + daemon.address, "NUMBER": "7",
                "NODEPASS_API_KEY": key.output.trimmingCharacters(in: .whitespacesAndNewlines),
            ]
        )
        #expect(finished.code == 0, "\(finished.errors)")
        #expect(finished.output.contains("pr comment 7 --edit-last"))
        #expect(finished.output.contains("127.0.0.1:9 → 127.0.0.1:10"), "\(finished.output)\(finished.errors)")
        try await daemon.stop()
    }
}
