import ArgumentParser
import Config
import Foundation
import TestSupport
import Testing

@testable import nodepass

@Suite("Help, and what works without a daemon", .timeLimit(.minutes(2)))
struct HelpTests {
    /// Commands that end by a signal alone; their examples are only parsed.
    private static let endless: Set = ["run", "watch"]

    private static var commands: [String] {
        RootCommand.configuration.subcommands.flatMap { command -> [String] in
            let name = command.configuration.commandName ?? ""
            return [name] + command.configuration.subcommands.map { "\(name) \($0.configuration.commandName ?? "")" }
        }
    }

    @Test("the help of every command ends with an example, and every example runs")
    func examples() async throws {
        let server = try await EchoServer.start()
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("web", port, server.port)))
        let inputs = [
            "frpc.toml": "serverAddr = \"127.0.0.1\"\n",
            "frps.toml": "bindPort = 7000\n",
            "server.toml": "[server]\nbind_addr = \"0.0.0.0:2333\"\n",
            "haproxy.cfg": "defaults\n    mode tcp\n",
            "rules.txt": "*nat\nCOMMIT\n",
        ]
        for (name, text) in inputs { try daemon.directory.write(text, to: name) }
        // In the order of the help, so that `delete` finds what `create` has made.
        for command in Self.commands {
            let help = try await RunningProcess.run(command.split(separator: " ").map(String.init) + ["--help"])
            let lines = help.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            #expect(help.code == 0 && lines.dropLast().last == "EXAMPLE:", "\(command)")
            let example = String(try #require(lines.last)).replacing("PORT", with: "\(server.port)")
            #expect(example.hasPrefix("  nodepass \(command.split(separator: " ")[0])"), "\(command)")
            guard !Self.endless.contains(command), command != "import" else { continue }
            let state = daemon.stateDirectory
            let shell = "cd '\(daemon.directory.path)'; nodepass() { '\(RunningProcess.binary)' \"$@\"; };\(example)"
            let finished = try await RunningProcess.run(
                ["-c", shell],
                environment: ["NODEPASS_STATE_DIR": state],
                executable: "/bin/sh"
            )
            // There is no peer to forget, and a status has codes of its own.
            let isAnswer = ["forget-peer", "status"].contains(command) && [1, 2].contains(finished.code)
            #expect(finished.code == 0 || isAnswer, "\(example): \(finished.errors)")
        }
        try await daemon.stop()
    }

    @Test("the usage text, the README and the documents name every command and every option that there is")
    func documented() async throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let pages =
            ["README.md"]
            + ["commands", "operating", "health", "manifest", "api", "security", "migrating"].map { "docs/\($0).md" }
        let text = try pages.map { try String(contentsOf: root.appendingPathComponent($0), encoding: .utf8) }
            .joined(separator: "\n")
        let dump = try await RunningProcess.run(["--experimental-dump-help"]).output
        let commands = Self.commandsAndOptions(try JSONParser.parse(Array(dump.utf8))["command"] ?? .null)
        #expect(commands.count > 30 && commands["get"]?["--selector"] != nil)
        for (command, options) in commands {
            let name = command.split(separator: " ").last ?? ""
            #expect(UsageText.text.contains(try Regex("\\b\(name)\\b")), "\(command)")
            #expect(text.contains("nodepass \(command)") || text.contains("`\(command)"), "\(command)")
            for names in options.values {
                let isNamed = try names.contains { try text.contains(Regex("\($0)(?![\\w-])")) }
                #expect(isNamed, "\(command) \(names)")
            }
        }
    }

    /// The options of each command, by their longest name, each with all its names.
    private static func commandsAndOptions(
        _ command: JSONValue,
        below parent: String = ""
    ) -> [String: [String: [String]]] {
        var all: [String: [String: [String]]] = [:]
        for sub in command["subcommands"]?.items ?? [] {
            let word = sub["commandName"]?.stringValue ?? ""
            guard word != "help" else { continue }
            let name = parent.isEmpty ? word : parent + " " + word
            let options = (sub["arguments"]?.items ?? []).filter { $0["kind"] != "positional" }.map { option in
                (option["names"]?.items ?? []).compactMap { one -> String? in
                    guard let text = one["name"]?.stringValue else { return nil }
                    return (one["kind"] == "long" ? "--" : "-") + text
                }
            }
            all[name] = Dictionary(options.map { (($0.max { $0.count < $1.count }) ?? "", $0) }) { $1 }
            all.merge(commandsAndOptions(sub, below: name)) { $1 }
        }
        return all
    }

    @Test("validate reads standard input, shows the line with a caret, and leaves keys out of it")
    func standardInput() async throws {
        func validate(_ text: String, _ options: String = "") async throws -> RunningProcess.Finished {
            let shell = "printf '%s' \"$NP_TEXT\" | '\(RunningProcess.binary)' validate - \(options)"
            return try await RunningProcess.run(["-c", shell], environment: ["NP_TEXT": text], executable: "/bin/sh")
        }
        let good =
            "version: 1\ntunnels:\n  web: {role: client, mode: single, tunnel: 127.0.0.1:1, target: 127.0.0.1:2}\n"
        #expect(try await validate(good).output.hasSuffix("ok: 1 tunnels in standard input\n"))
        let bad = try await validate("version: 1\ntunnels:\n  web: {key: s3cret, mode: sngle}\n")
        #expect(bad.code == 1)
        #expect(bad.output.contains("  3 |   web: {key: …"), "\(bad.output)")
        #expect(!bad.output.contains("s3cret"))
        #expect(bad.output.contains("\n    |                      ^\n") || bad.output.contains(/\n {4}\| +\^\n/))
        let unset = good.replacing("127.0.0.1:2", with: "\"${env:NP_NOWHERE_SET}\"")
        #expect(try await validate(unset).code == 1)
        let allowed = try await validate(unset, "--allow-unset")
        #expect(allowed.code == 0, "\(allowed.output)")
    }

    @Test("what a manifest, a file's name or an option holds does not reach the terminal as it is")
    func hostileText() async throws {
        let directory = try TemporaryDirectory()
        let name = "x\u{1b}[31m.yaml"
        try directory.write("version: 1\ntunnels:\n  'w\u{202e}q': {m\u{202e}e: 1}\n", to: name)
        let arguments = [
            ["validate", directory.file(name)], ["plan", "-f", directory.file(name)], ["get", "--fo\u{202e}o"],
        ]
        for arguments in arguments {
            let finished = try await RunningProcess.run(arguments, environment: ["NODEPASS_STATE_DIR": directory.path])
            let output = finished.output + finished.errors
            #expect(finished.code != 0 && !output.contains("\u{202e}") && !output.contains("\u{1b}"), "\(arguments)")
        }
    }

    @Test("--check-files finds certificates that are missing or have expired")
    func checkFiles() async throws {
        let directory = try TemporaryDirectory()
        func manifest(_ name: String) throws -> String {
            try directory.write(
                """
                version: 1
                tunnels:
                  web: {role: server, mode: reverse, tunnel: 127.0.0.1:1, target: 127.0.0.1:2, key: "0123456789abcdef01234567", \
                tls: {certificate: \(directory.path)/\(name).crt, key: \(directory.path)/\(name).key}}

                """,
                to: name + ".yaml"
            )
        }
        try TestAuthority().issue(to: ["a.example"], days: -9 ..< -3).write(to: directory, as: "old")
        try TestAuthority().issue(to: ["a.example"]).write(to: directory, as: "good")
        for (name, problem) in [("old", "expired on"), ("missing", "cannot be read"), ("good", "ok: 1 tunnels")] {
            let path = try manifest(name)
            let finished = try await RunningProcess.run(["validate", path, "--check-files"])
            #expect(finished.output.contains(problem), "\(name): \(finished.output)")
            #expect((finished.code == 0) == (name == "good"))
            #expect(try await RunningProcess.run(["validate", path]).code == 0)
        }
    }

    @Test("fmt changes white space alone, never a value, and --check writes nothing")
    func format() async throws {
        let directory = try TemporaryDirectory()
        let messy = "version: 1  \r\n\n\n# mine\t\ntunnels: {}\n\n\n"
        let path = try directory.write(messy, to: "a.yaml")
        let check = try await RunningProcess.run(["fmt", "--check", path])
        #expect(check.code == 1)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == messy)
        #expect(try await RunningProcess.run(["fmt", path]).code == 0)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "version: 1\n\n# mine\ntunnels: {}\n")
        #expect(try await RunningProcess.run(["fmt", "--check", path]).code == 0)
        let block = "a: |\n  text  \n  more\n"
        let kept = try directory.write(block, to: "b.yaml")
        #expect(try await RunningProcess.run(["fmt", kept]).code == 1)
        #expect(try String(contentsOfFile: kept, encoding: .utf8) == block)
    }

    @Test("init writes a manifest that is valid, and never over a file; explain knows the keys and their neighbors")
    func initAndExplain() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/new.yaml"
        #expect(try await RunningProcess.run(["init", path]).code == 0)
        #expect(try await RunningProcess.run(["validate", path]).code == 0)
        #expect(try await RunningProcess.run(["init", path]).errors.contains("it is there already"))
        let rate = try await RunningProcess.run(["explain", "tunnels.web.limits.rate"])
        #expect(rate.output.contains("limits.rate") && rate.output.contains("live: connections stay"))
        #expect(try await RunningProcess.run(["explain", "limits"]).output.contains("limits.rate"))
        let wrong = try await RunningProcess.run(["explain", "limits.rat"])
        #expect(wrong.code == 64 && wrong.errors.contains("did you mean 'limits.rate'?"))
        for (key, meant) in [
            ("limts", "limits"), ("rat", "limits.rate"), ("drian", "drain"), ("conections", "limits.connections"),
        ] {
            let near = try await RunningProcess.run(["explain", key])
            #expect(near.code == 64 && near.errors.contains("did you mean '\(meant)'?"), "\(near.errors)")
        }
    }

    @Test("completion scripts are those of their shell, and ask the daemon for names")
    func completion() async throws {
        for (shell, sign) in [("bash", "complete -"), ("zsh", "#compdef nodepass"), ("fish", "complete -c 'nodepass'")]
        {
            let script = try await RunningProcess.run(["completion", shell])
            #expect(script.code == 0 && script.output.contains(sign), "\(shell)")
            #expect(script.output.contains("nodepass get -o name"), "\(shell)")
        }
        #expect(try await RunningProcess.run(["completion", "tcsh"]).code == 64)
    }

    @Test(
        "each shell loads its completion script; bash and fish complete commands, fish the daemon's tunnels",
        arguments: [
            (
                "bash",
                "COMP_WORDS=(nodepass stat); COMP_CWORD=1; _nodepass nodepass stat nodepass; echo ${COMPREPLY[@]}",
                "status"
            ),
            ("fish", "complete -C 'nodepass stat'", "status\tShow"), ("fish", "complete -C 'nodepass stop we'", "web"),
            ("zsh", "autoload -U compinit; compinit -u -D; source $NP_SCRIPT; echo $_comps[nodepass]", "_nodepass"),
        ]
    )
    func shells(_ shell: String, _ question: String, _ answer: String) async throws {
        let server = try await EchoServer.start()
        let ports = try FreePorts.take(1)
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("web", ports[0], server.port)))
        let directory = try TemporaryDirectory()
        let script = try await RunningProcess.run(["completion", shell]).output
        let path = try directory.write(script, to: "_nodepass")
        try FileManager.default.createSymbolicLink(
            atPath: directory.path + "/nodepass",
            withDestinationPath: RunningProcess.binary
        )
        let lines = shell == "zsh" ? question : "source \(path); \(question)"
        let finished = try await RunningProcess.run(
            [shell, "-c", lines],
            environment: [
                "NODEPASS_STATE_DIR": daemon.stateDirectory, "PATH": "\(directory.path):/usr/local/bin:/usr/bin:/bin",
                "NP_SCRIPT": path, "HOME": directory.path,
            ],
            executable: "/usr/bin/env"
        )
        #expect(finished.output.contains(answer), "\(finished.output)\(finished.errors)")
        try await daemon.stop()
    }

    @Test("a remote daemon plans several files and directories that are sent to it")
    func remotePlan() async throws {
        let server = try await EchoServer.start()
        let ports = try FreePorts.take(3)
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("web", ports[0], server.port)))
        let key = try #require(try await daemon.apiKey())
        let directory = try TemporaryDirectory()
        _ = try directory.write(DeclaredTunnelTests.manifest(("web", ports[0], server.port)), to: "1.yaml")
        let other =
            "version: 1\ntunnels:\n  db: {role: client, mode: single, tunnel: 127.0.0.1:\(ports[1]), target: 127.0.0.1:1}\n"
        _ = try directory.write(other, to: "2.yaml")
        let third = try directory.write(
            other.replacing("db", with: "cache").replacing("\(ports[1])", with: "\(ports[2])"),
            to: "3.yml"
        )
        func plan(_ files: String...) async throws -> RunningProcess.Finished {
            let options = ["--server", "http://\(try daemon.address)", "--api-key", key]
            return try await RunningProcess.run(["plan"] + files.flatMap { ["-f", $0] } + options)
        }
        let whole = try await plan(directory.path)
        #expect(
            whole.code == 2 && whole.output.contains("Plan: 2 to create, 1 unchanged."),
            "\(whole.output)\(whole.errors)"
        )
        let two = try await plan(directory.path + "/1.yaml", third)
        #expect(two.output.contains("Plan: 1 to create, 1 unchanged."))
        let refused = try await RunningProcess.run(["apply", "-f", third, "--state-dir", daemon.stateDirectory])
        #expect(refused.code == 64 && refused.errors.contains("apply takes no files"))
        try await daemon.stop()
    }
}
