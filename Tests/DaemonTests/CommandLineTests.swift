import Config
import Foundation
import TestSupport
import Testing

@testable import nodepass

@Suite("The words of a command line", .timeLimit(.minutes(2)))
struct CommandLineTests {
    @Test(
        "a command line that is wrong exits 64 and says what is wrong",
        arguments: [
            (["mastr://a"], "unknown scheme 'mastr'; did you mean 'master://'?"),
            (["tcp://a"], "use server://, client:// or master://"),
            (["master://127.0.0.1:0/api", "--bogus"], "Unknown option '--bogus'"),
            (["create", "foo"], "'foo' is not a URL of a tunnel"),
            (["create", "clent://:1/a:2"], "did you mean 'client://'?"),
            (["create", "client://:1/a:2", "--alias", String(repeating: "a", count: 257)], "the limit is 256"),
            (["stop", "web", "--reason", String(repeating: "a", count: 257)], "--reason: 257 bytes are too many"),
            (["events", "--tail", "501"], "--tail takes a number from 1 to 500"),
            (["watch", "--why", "--tail", "-1"], "tail"), (["top", "--count", "0"], "--count takes a number from 1"),
            (["ping", "localhost"], "'localhost' is not HOST:PORT"),
            (["run", "--listen", "x:y"], "--listen: "),
            (["run", "--log", "loud"], "--log: 'loud' is not a level"),
            (["run", "--log-format", "xml"], "--log-format: 'xml' is not a format"),
            (["run", "--tls", "on"], "--tls: 'on' is not one of"),
            (["run", "--shutdown-timeout", "soon"], "--shutdown-timeout: 'soon' is not a duration"),
            (["client://:1/a:2", "--shutdown-timeout", "soon"], "--shutdown-timeout: 'soon' is not a duration"),
        ]
    )
    func wrong(_ arguments: [String], _ message: String) async throws {
        let state = ["NODEPASS_STATE_DIR": "/nowhere/state"]
        let finished = try await RunningProcess.run(arguments, environment: state)
        #expect(finished.code == 64, "\(finished.errors)")
        #expect(finished.errors.contains(message), "\(finished.errors)")
    }

    @Test(
        "options that name the daemon may precede the command",
        arguments: [
            ("--context prod get web", "get --context prod web"),
            ("--server=a:1 --insecure key show", "key show --server=a:1 --insecure"),
            ("--state-dir s gett", "gett --state-dir s"), ("--api-key k help get", "help get"),
            ("--state-dir s client://:1/a:2", "--state-dir s client://:1/a:2"), ("--context", "--context"),
            ("--context prod --help", "--context prod --help"), ("get --context prod", "get --context prod"),
        ]
    )
    func leading(_ given: String, _ parsed: String) {
        let words = { (text: String) in text.split(separator: " ").map(String.init) }
        #expect(LeadingOptions.behindCommand(words(given)) == words(parsed))
    }

    @Test("every option that names the daemon is among those, and a daemon is reached with it")
    func everyOption() async throws {
        let help = try await RunningProcess.run(["status", "--help"]).output
        let listed = Set(help.matches(of: /--[a-z-]+/).map { String($0.output) })
        let others: Set = ["--json", "--help", "--version"]
        #expect(listed.subtracting(others) == LeadingOptions.valued.union(LeadingOptions.flags))
        let daemon = try await Daemon.start(manifest: "version: 1\ntunnels: {}\n")
        let status = try await RunningProcess.run(["--state-dir", daemon.stateDirectory, "status"])
        #expect(status.code == 0 && status.output.hasPrefix("No problems."), "\(status.errors)")
        try await daemon.stop()
    }

    @Test("a message of the daemon speaks of the option that was typed, and a ping of no library")
    func words() async throws {
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("web", port, 9)))
        func run(_ arguments: String...) async throws -> RunningProcess.Finished {
            try await RunningProcess.run(arguments + ["--state-dir", daemon.stateDirectory])
        }
        let restart = try await run("restart", "web", "--for", "1h")
        #expect(restart.code == 1 && restart.errors.contains("--for: ") && !restart.errors.contains("ttl"))
        let ping = try await run("ping", "127.0.0.1:\(try FreePorts.one())")
        #expect(ping.code == 1 && ping.errors.hasSuffix(": connection refused\n"), "\(ping.errors)")
        #expect(!ping.errors.contains("dial"))
        let peer = try await run("forget-peer", "web")
        #expect(peer.code == 1 && peer.errors.contains("it has no peer"), "\(peer.errors)")
        try await daemon.stop()
    }
}
