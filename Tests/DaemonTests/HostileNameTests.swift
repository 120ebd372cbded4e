import Config
import Foundation
import TestSupport
import Testing

@testable import nodepass

@Suite("Tunnels whose names others chose", .timeLimit(.minutes(2)))
struct HostileNameTests {
    private static let long = String(repeating: "x", count: 256)
    private static let aliases = [long, "a\u{202e}b", "\u{1b}[31mred", "*", "twin", "twin", "plain one"]

    /// A daemon with a tunnel of each name, and their ids.
    private static func start() async throws -> (daemon: Daemon, ids: [String]) {
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("web", port, 9)))
        var ids: [String] = []
        for alias in aliases {
            let url = "client://127.0.0.1:0/127.0.0.1:9?mode=1"
            let made = try await run(["create", url, "--alias", alias], daemon)
            ids.append(made.output.filter { $0 != "\n" })
        }
        return (daemon, ids)
    }

    private static func run(_ arguments: [String], _ daemon: Daemon) async throws -> RunningProcess.Finished {
        try await RunningProcess.run(arguments + ["--state-dir", daemon.stateDirectory])
    }

    @Test("a long name is cut in every table, which no other column suffers from")
    func cut() async throws {
        let (daemon, _) = try await Self.start()
        for command in [["get"], ["get", "-o", "wide"], ["top", "--interval", "1ms"], ["apply"]] {
            let output = try await Self.run(command, daemon).output
            #expect(!output.contains(String(repeating: "x", count: 41)), "\(command)")
            #expect(output.contains(String(repeating: "x", count: 39) + "…"), "\(command)")
        }
        let cut = try await Self.run(["get", String(repeating: "x", count: 39) + "…"], daemon)
        #expect(cut.code == 1 && cut.errors.contains("is given by its id"), "\(cut.errors)")
        try await daemon.stop()
    }

    @Test("what -o name prints names each tunnel and no other, and a name as a table shows it is one")
    func handles() async throws {
        let (daemon, ids) = try await Self.start()
        let names = try await Self.run(["get", "-o", "name"], daemon).output.split(separator: "\n").map(String.init)
        #expect(Set(names) == Set(["web", Self.long, "plain one"] + ids[1...5]))
        for name in names {
            let row = try await Self.run(["get", name, "-o", "jsonpath={.id}"], daemon)
            #expect(row.code == 0 && row.output.split(separator: "\n").count == 1, "\(name)")
        }
        for (shown, id) in [("ab", ids[1]), ("[31mred", ids[2])] {
            #expect(try await Self.run(["get", shown, "-o", "jsonpath={.id}"], daemon).output == id + "\n")
        }
        try await daemon.stop()
    }

    @Test("JSON has what turns or controls a terminal escaped, in lists, descriptions and events")
    func escaped() async throws {
        let (daemon, ids) = try await Self.start()
        var outputs = [
            try await Self.run(["get", "-o", "json"], daemon).output,
            try await Self.run(["get", "-o", "yaml"], daemon).output,
            try await Self.run(["describe", ids[1], "-o", "json"], daemon).output,
            try await Self.run(["events", "--json"], daemon).output,
        ]
        var watch = try await FollowedProcess.start(["watch", "--json", "--state-dir", daemon.stateDirectory])
        #expect(await watch.line(with: /u202e/) != nil)
        outputs.append(watch.seen.joined(separator: "\n"))
        try await daemon.stop()
        _ = try await watch.end()
        for output in outputs {
            #expect(!output.unicodeScalars.contains { ["\u{202e}", "\u{1b}"].contains($0) })
            #expect(output.contains(/\\[uU](0000)?202e/))
        }
    }
}
