import ArgumentParser
import Config
import Foundation
import TestSupport
import Testing

@testable import nodepass

@Suite("Choosing tunnels and their columns", .timeLimit(.minutes(2)))
struct SelectionTests {
    private static func run(_ arguments: String..., on daemon: Daemon) async throws -> RunningProcess.Finished {
        try await RunningProcess.run(arguments + ["--state-dir", daemon.stateDirectory])
    }

    /// Tunnels `edge-0…` and `core-0…` with a tag of their team, at ports that nobody needs.
    private static func manifest(_ count: Int, ports: [Int]) -> String {
        let tunnels = (0..<count).map { index in
            let team = index.isMultiple(of: 2) ? "edge" : "core"
            return """
                  \(team)-\(index): {role: client, mode: single, tunnel: "127.0.0.1:\(ports[index])", \
                target: "127.0.0.1:9", drain: 1s, key: s3cret-key-of-\(index), tags: {team: \(team)}}
                """
        }
        return "version: 1\ntunnels:\n" + tunnels.joined(separator: "\n") + "\n"
    }

    private static func lines(_ finished: RunningProcess.Finished) -> [String] {
        finished.output.split(separator: "\n").map(String.init)
    }

    @Test("tags, patterns, phases and several names choose; a name that nothing has is an error beside the others")
    func selectors() async throws {
        let daemon = try await Daemon.start(manifest: Self.manifest(4, ports: try FreePorts.take(4)))
        func names(_ arguments: String...) async throws -> [String] {
            let all = ["get", "-o", "name", "--state-dir", daemon.stateDirectory] + arguments
            return Self.lines(try await RunningProcess.run(all))
        }
        #expect(try await names("-l", "team=edge") == ["edge-0", "edge-2"])
        #expect(try await names("-l", "team!=edge") == ["core-1", "core-3"])
        #expect(try await names("-l", "team,!other", "*-3") == ["core-3"])
        #expect(try await names("edge-?") == ["edge-0", "edge-2"])
        #expect(try await names("--phase", "failed,backoff").isEmpty)
        #expect(try await names("--overridden").isEmpty)
        let partly = try await Self.run("get", "nosuch", "core-1", "-o", "name", on: daemon)
        #expect(partly.code == 1 && partly.output == "core-1\n" && partly.errors.contains("'nosuch'"))
        #expect(try await Self.run("get", "--phase", "redy", on: daemon).code == 64)
        #expect(try await Self.run("get", "-l", "=", on: daemon).code == 64)

        let stopped = try await Self.run("stop", "core-1", "edge-*", on: daemon)
        #expect(Self.lines(stopped).map { $0.prefix { $0 != ":" } } == ["core-1", "edge-0", "edge-2"])
        #expect(try await names("--overridden") == ["core-1", "edge-0", "edge-2"])
        #expect(try await Self.run("release", "edge-*", "core-1", on: daemon).code == 0)
        #expect(try await Self.run("stop", on: daemon).code == 64)
        #expect(try await Self.run("stop", "nosuch", "core-1", on: daemon).code == 1)
        #expect(try await names("--overridden").isEmpty)
        try await daemon.stop()
    }

    @Test("more than ten tunnels are changed only with -y where nobody can be asked")
    func confirmation() async throws {
        let daemon = try await Daemon.start(manifest: Self.manifest(11, ports: try FreePorts.take(11)))
        let refused = try await Self.run("stop", "*", on: daemon)
        #expect(refused.code == 1 && refused.errors.contains("this would stop 11 tunnels"), "\(refused.errors)")
        #expect(try await Self.run("get", "--overridden", "-o", "name", on: daemon).output.isEmpty)
        #expect(Self.lines(try await Self.run("stop", "*", "-y", on: daemon)).count == 11)
        #expect(try await Self.run("release", "--all", on: daemon).code == 1)
        #expect(try await Self.run("release", "--all", "-y", on: daemon).code == 0)
        try await daemon.stop()
    }

    @Test("every output hides the keys unless --show-secrets is there")
    func secrets() async throws {
        let daemon = try await Daemon.start(manifest: Self.manifest(1, ports: try FreePorts.take(1)))
        for output in ["table", "wide", "json", "yaml", "url", "csv", "name", "jsonpath={.url}{.config}"] {
            let masked = try await Self.run("get", "-o", output, on: daemon)
            #expect(masked.code == 0 && !masked.output.contains("s3cret"), "\(output)")
        }
        for output in ["text", "json", "yaml"] {
            let masked = try await Self.run("describe", "edge-0", "-o", output, on: daemon)
            #expect(masked.code == 0 && !masked.output.contains("s3cret"), "\(output)")
        }
        #expect(
            try await Self.run("get", "-o", "json", "--show-secrets", on: daemon).output.contains("s3cret-key-of-0")
        )
        // What the way back to NodePass needs: a URL that can be given to it.
        let url = try await Self.run("get", "edge-0", "-o", "url", "--show-secrets", on: daemon).output
        #expect(try TunnelURL.parse(url.filter { $0 != "\n" }).spec.key?.value == "s3cret-key-of-0")
        let described = try await Self.run("describe", "edge-0", "-o", "json", "--show-secrets", on: daemon)
        #expect(described.output.contains("s3cret-key-of-0"))
        try await daemon.stop()
    }

    @Test("columns, order and forms of get")
    func columns() async throws {
        let squatter = try await EchoServer.start()
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(
            manifest: DeclaredTunnelTests.manifest(("web", port, squatter.port), ("taken", squatter.port, port))
        )
        try await daemon.tunnel("taken") { $0.phase == "backoff" }
        let table = Self.lines(try await Self.run("get", "--sort", "phase", on: daemon))
        #expect(
            table[0].split(separator: " ").map(String.init) == [
                "NAME", "ID", "TYPE", "PHASE", "CONNS", "IN", "OUT", "RATE", "AGE", "TARGET", "REASON",
            ]
        )
        #expect(table[1].contains(/^taken .*backoff \(PortInUse\) .*127\.0\.0\.1:\d+ +tcp 127\.0\.0\.1:\d+ is in use/))
        #expect(table[2].contains(/^web .*ready +0 +0B +0B +- +\d+s +127\.0\.0\.1:\d+$/), "\(table[2])")
        let bare = Self.lines(try await Self.run("get", "--no-headers", on: daemon))
        #expect(bare.count == 2 && bare[0].hasPrefix("taken "))
        let csv = Self.lines(try await Self.run("get", "web", "-o", "csv", on: daemon))
        #expect(csv.count == 2 && csv[0].hasPrefix("NAME,ID,TYPE,PHASE") && csv[1].hasPrefix("web,"))
        let template = #"jsonpath={.name}{"\t"}{.meta.tags}{.nothing}|{.phase}"#
        let filled = try await Self.run("get", "web", "-o", template, on: daemon)
        #expect(filled.output == "web\t{}|ready\n")
        #expect(try await Self.run("get", "-o", "jsonpath={name}", on: daemon).code == 64)
        #expect(try await Self.run("get", "--problem", "-o", "name", on: daemon).output == "taken\n")
        #expect(try await Self.run("stop", "web", "--reason", "INC-42", on: daemon).code == 0)
        let stopped = try await Self.run("get", "--overridden", "--no-headers", on: daemon).output
        #expect(
            stopped.contains(/stopped ! .* stopped by [^ ]+ \(local CLI\): INC-42, until released\n$/),
            "\(stopped)"
        )
        // Those of the API follow by name, not by their random ids.
        for name in ["d", "b", "a", "c"] {
            let url = "client://127.0.0.1:\(squatter.port)/127.0.0.1:1?mode=1"
            #expect(try await Self.run("create", url, "--alias", name, on: daemon).code == 0)
        }
        let names = Self.lines(try await Self.run("get", "-o", "name", on: daemon))
        #expect(names == ["taken", "web", "a", "b", "c", "d"])
        try await daemon.stop()
    }

    @Test("-w goes on with each change of a chosen tunnel")
    func watch() async throws {
        let daemon = try await Daemon.start(manifest: Self.manifest(2, ports: try FreePorts.take(2)))
        var reader = try await FollowedProcess.start(["get", "edge-0", "-w", "--state-dir", daemon.stateDirectory])
        #expect(await reader.line(with: /^edge-0\s/) != nil)
        #expect(try await Self.run("stop", "core-1", "edge-0", on: daemon).code == 0)
        #expect(await reader.line(with: /edge-0  stopped/) != nil)
        #expect(!reader.seen.contains { $0.contains("core-1") })
        try await daemon.stop()
        _ = try await reader.end()
    }

    // MARK: Hostile texts

    @Test(
        "a cell takes the columns that a terminal gives it, and turns nothing beside it",
        arguments: [
            ("web", 3), ("日本", 4), ("e\u{301}", 1), ("👩‍👩‍👧", 2), ("a\u{200b}b", 2), ("한국어", 6), ("", 0),
        ]
    )
    func widths(_ text: String, _ columns: Int) {
        #expect(DisplayWidth.of(text) == columns)
    }

    @Test("names of other scripts, controls and right-to-left texts leave the next column where it is")
    func hostileTable() {
        let names = ["web", "日本語", "\u{1b}[31mred", "שלום", "a\nb\u{202e}c", "e\u{301}e\u{301}"]
        let lines = TextTable.lines([["NAME", "X"]] + names.map { [$0, "|"] })
        let starts = lines.dropFirst().map { line in DisplayWidth.of(String(line.prefix { $0 != "|" })) }
        #expect(Set(starts).count == 1, "\(starts)")
        #expect(lines.allSatisfy { !$0.unicodeScalars.contains("\u{1b}") && !$0.contains("\n") })
        #expect(lines[4].contains("\u{2068}שלום\u{2069}"))
        #expect(DisplayWidth.shortened("日本語日本語", to: 5) == "日本…")
    }

    @Test("a terminal cuts the last column at its edge, a narrow one not before 60 columns, and nothing else does")
    func lastColumn() {
        let reason = "stopped by root (local CLI): INC-42, " + String(repeating: "x", count: 100)
        let rows = [["NAME", "REASON"], ["web", reason]]
        #expect(TextTable.lines(rows)[1] == "web   " + reason)
        #expect(TextTable.lines(rows, terminalColumns: 100)[1].count == 100)
        let narrow = TextTable.lines(rows, terminalColumns: 20)[1]
        #expect(narrow.count == 66 && narrow.contains("INC-42") && narrow.hasSuffix("…"))
    }

    @Test("a table of 10,000 tunnels is a line for each, all of them aligned")
    func manyRows() {
        let rows = (0..<10_000).map { ["日本 \($0)", "|"] }
        let starts = TextTable.lines(rows).map { DisplayWidth.of(String($0.prefix { $0 != "|" })) }
        #expect(starts.count == 10_000 && Set(starts).count == 1)
    }

    // MARK: Events

    @Test("events say who did what, until when, and what failed and recovered; a time has its date and zone")
    func events() async throws {
        let server = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let daemon = try await Daemon.start(
            manifest: DeclaredTunnelTests.manifest(("web", ports[0], server.port), ("db", ports[1], server.port))
        )
        #expect(try await Self.run("stop", "web", "--for", "30m", on: daemon).code == 0)
        #expect(try await Self.run("release", "web", on: daemon).code == 0)
        try daemon.edit("version: 1\ntunnels: [")
        #expect(try await Self.run("apply", on: daemon).code == 1)
        let all = Self.lines(try await Self.run("events", "--utc", on: daemon))
        let time = #"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  "#
        for sentence in [
            #"web stopped by .+, until \d{4}-\d\d-\d\d [:\d]+ UTC$"#, "web released by .+$",
            "manifest rejected, nothing changed: 1 problem$",
        ] {
            let pattern = try Regex(time + sentence)
            #expect(all.contains { $0.contains(pattern) }, "\(all)")
        }
        #expect(!all.contains { $0.contains("to stop") })
        #expect(Self.lines(try await Self.run("events", "--why", on: daemon)).contains { $0.contains("1 to stop") })
        let web = Self.lines(try await Self.run("events", "web", "--since", "1h", "--json", on: daemon))
        #expect(!web.isEmpty && web.allSatisfy { $0.contains(#""tunnel":"web""#) })
        let misspelled = try await Self.run("events", "wbe", on: daemon)
        #expect(misspelled.code == 1 && misspelled.errors.contains("did you mean 'web'?"), "\(misspelled.errors)")
        let unknown = try await Self.run("get", "dbb", on: daemon)
        #expect(unknown.output.isEmpty && unknown.errors.contains("did you mean 'db'?"), "\(unknown)")
        let quiet = try await Self.run("events", "db", on: daemon)
        #expect(quiet.code == 0 && quiet.errors.contains("No events in the last 24h."), "\(quiet)")
        #expect(try await Self.run("events", "--since", "soon", on: daemon).code == 64)
        let logs = Self.lines(try await Self.run("logs", "web", "db", "--since", "1h", on: daemon))
        #expect(logs.contains { $0.hasPrefix("web  ") } && logs.contains { $0.hasPrefix("db  ") })
        try await daemon.stop()
    }

    @Test(
        "an unknown command names what was probably meant, and exits 64",
        arguments: [
            ("gett", "get"), ("ls", "get"), ("statr", "start"), ("rm", "delete"),
        ]
    )
    func unknown(_ word: String, _ meant: String) async throws {
        let finished = try await RunningProcess.run([word])
        #expect(finished.code == 64)
        #expect(finished.errors == "Error: unknown command '\(word)'; did you mean '\(meant)'?\n")
    }
}
