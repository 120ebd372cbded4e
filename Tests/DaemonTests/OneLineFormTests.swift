import Foundation
import TestSupport
import Testing

@Suite("The one-line forms take the options of run that make sense there", .timeLimit(.minutes(2)))
struct OneLineFormTests {
    @Test("master:// keeps its state in --state-dir and runs the manifest of -f, before the URL and after it")
    func master() async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let directory = try TemporaryDirectory()
        let manifest = directory.file("tunnels.yaml")
        try directory.write(DeclaredTunnelTests.manifest(("web", ports[0], target.port)), to: "tunnels.yaml")
        let state = directory.file("state")
        let url = "master://127.0.0.1:\(ports[1])/api?log=none"
        let options = ["--state-dir", state, "-f", manifest, "--log", "info", "--no-prune"]
        for arguments in [[url] + options, options + [url]] {
            let master = try await start(arguments, in: directory)
            let user = try await TestClient.connect(port: ports[0])
            try await user.send("hello")
            #expect(try await user.receiveText(5) == "hello")
            try await user.close()
            master.signal(SIGTERM)
            #expect(try await master.exitCode() == 0)
            #expect(FileManager.default.fileExists(atPath: state + "/state.db"))
            // --log wins over the URL's log=none.
            #expect(try master.output.contains("Master started"))
        }
    }

    @Test("--log beside master:// is handed down to its tunnels, as the URL's parameter is")
    func handedDown() async throws {
        let ports = try FreePorts.take(2)
        let directory = try TemporaryDirectory()
        let state = directory.file("state")
        let url = "master://127.0.0.1:\(ports[0])/api?log=info"
        let master = try await start([url, "--state-dir", state, "--log", "warn"], in: directory)
        let created = try await RunningProcess.run(
            ["create", "client://127.0.0.1:\(ports[1])/127.0.0.1:9?mode=1", "--alias", "web", "--state-dir", state]
        )
        #expect(created.code == 0, "\(created.errors)")
        let shown = try await RunningProcess.run(["get", "web", "-o", "url", "--state-dir", state])
        #expect(shown.output == "client://127.0.0.1:\(ports[1])/127.0.0.1:9?mode=1&log=warn\n")
        master.signal(SIGTERM)
        #expect(try await master.exitCode() == 0)
    }

    /// Starts a master and waits until it is ready.
    private func start(_ arguments: [String], in directory: TemporaryDirectory) async throws -> RunningProcess {
        let notifications = try NotifySocket.bind(directory.file("notify.sock"))
        let environment = ["NOTIFY_SOCKET": directory.file("notify.sock"), "NODEPASS_STATE_DIR": "/nowhere"]
        let process = try RunningProcess(arguments, environment: environment)
        try await notifications.waitForReady(or: process)
        return process
    }

    @Test("a strict master:// stops at an invalid manifest")
    func strict() async throws {
        let directory = try TemporaryDirectory()
        try directory.write("version: 1\ntunnels: {web: {role: sngle}}\n", to: "tunnels.yaml")
        let finished = try await RunningProcess.run(
            ["master://127.0.0.1:0/api", "--state-dir", directory.file("state"), "--strict"]
                + ["-f", directory.file("tunnels.yaml")]
        )
        #expect(finished.code == 1)
        #expect(finished.errors.hasPrefix("Error: start: --strict: "), "\(finished.errors)")
    }

    @Test("server:// and client:// take --log, and --state-dir although they keep nothing there")
    func tunnel() async throws {
        let directory = try TemporaryDirectory()
        let state = directory.file("state")
        var client = try await FollowedProcess.start(
            ["client://127.0.0.1:0/127.0.0.1:9?mode=1&log=error", "--log", "info", "--state-dir", state]
        )
        #expect(await client.line(with: /Client started/) != nil)
        client.process.signal(SIGTERM)
        #expect(try await client.end() == 0)
        #expect(!FileManager.default.fileExists(atPath: state))
    }

    @Test(
        "an option that has no place beside the URL is named, and the exit code is 64",
        arguments: [
            (["master://127.0.0.1:0/api", "--listen", "127.0.0.1:0"], "Unknown option '--listen'"),
            (["client://127.0.0.1:0/127.0.0.1:9?mode=1", "-f", "tunnels.yaml"], "Unknown option '-f'"),
            (["client://127.0.0.1:0/127.0.0.1:9?mode=1", "--log", "loud"], "--log: 'loud' is not a level"),
        ]
    )
    func refused(arguments: [String], message: String) async throws {
        let finished = try await RunningProcess.run(arguments)
        #expect(finished.code == 64)
        #expect(finished.errors.contains(message), "\(finished.errors)")
    }

    @Test("--help beside a URL, and the text without arguments, name these options")
    func help() async throws {
        let master = try await RunningProcess.run(["master://127.0.0.1:0/api", "--help"])
        #expect(master.code == 0)
        for option in ["--file", "--state-dir", "--log", "--tls", "--no-prune", "--strict", "--reset-state"] {
            #expect(master.output.contains(option), "\(option)")
        }
        let tunnel = try await RunningProcess.run(["server://127.0.0.1:0/127.0.0.1:9", "--help"])
        #expect(tunnel.code == 0 && tunnel.output.contains("--log") && tunnel.output.contains("--state-dir"))
        #expect(try await RunningProcess.run([]).output.contains("--state-dir"))
    }
}
