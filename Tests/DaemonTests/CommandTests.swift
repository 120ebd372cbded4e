import Foundation
import TestSupport
import Testing

@Suite("The command line", .timeLimit(.minutes(2)))
struct CommandTests {
    @Test("validate lists every mistake with its place, and exits 1")
    func validate() async throws {
        let directory = try TemporaryDirectory()
        let manifest = """
            version: 1
            tunnels:
              web:
                role: client
                mode: sngle
                tunnel: 127.0.0.1:8080
                target: 127.0.0.1
              mail:
                role: client
                mode: single
                tunnel: 127.0.0.1:8081
                target: 127.0.0.1:25
                drian: 1s
            """
        try manifest.write(toFile: directory.path + "/bad.yaml", atomically: true, encoding: .utf8)
        let finished = try await RunningProcess.run(["validate", directory.path + "/bad.yaml"])
        #expect(finished.code == 1)
        let lines = (finished.output + finished.errors).split(separator: "\n").filter { $0.contains("error:") }
        let places = lines.map { $0.dropFirst(directory.path.count + 1).prefix(14) }
        #expect(places == ["bad.yaml:5:11:", "bad.yaml:7:13:", "bad.yaml:13:5:"])
    }

    @Test("every example, in folders too, is valid without a warning and leads to the schema it follows")
    func examples() async throws {
        let folder = Example.folder
        let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(".yaml") && !$0.hasPrefix("workflow/") }
        #expect(files.contains("quickstart.yaml") && files.contains("reverse-tunnel/server.yaml"))
        for file in files {
            let path = folder.appendingPathComponent(file).path
            let text = try String(contentsOfFile: path, encoding: .utf8)
            let mark = "# yaml-language-server: $schema="
            #expect(text.hasPrefix(mark), "\(file)")
            let schema = text.prefix { $0 != "\n" }.dropFirst(mark.count)
            let place = URL(fileURLWithPath: path).deletingLastPathComponent().appendingPathComponent(String(schema))
            #expect(place.standardizedFileURL == folder.appendingPathComponent("nodepass.schema.json"), "\(file)")
            let finished = try await RunningProcess.run(["validate", path], environment: Example.environment)
            let count = text.split(separator: "\n").filter { $0.contains("    target:") }.count
            #expect(finished.code == 0 && finished.output == "ok: \(count) tunnels in \(path)\n", "\(finished.output)")
        }
    }

    @Test("the schema is JSON Schema 2020-12, and the one beside the examples is the same")
    func schema() async throws {
        let finished = try await RunningProcess.run(["schema"])
        #expect(finished.code == 0)
        let schema = try JSONSerialization.jsonObject(with: Data(finished.output.utf8)) as? [String: Any]
        #expect(schema?["$schema"] as? String == "https://json-schema.org/draft/2020-12/schema")
        let committed = Example.folder.appendingPathComponent("nodepass.schema.json")
        #expect(try String(contentsOf: committed, encoding: .utf8) == finished.output)
    }

    @Test("get and key use the running daemon")
    func get() async throws {
        let server = try await EchoServer.start()
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("web", port, server.port)))
        let state = ["--state-dir", daemon.stateDirectory]
        let table = try await RunningProcess.run(["get", "web"] + state)
        #expect(table.code == 0)
        #expect(table.output.contains("web") && table.output.contains("ready"))
        let url = try await RunningProcess.run(["get", "web", "-o", "url"] + state)
        #expect(url.output == "client://127.0.0.1:\(port)/127.0.0.1:\(server.port)?drain=2s&mode=1\n")
        #expect(try await RunningProcess.run(["get", "nobody"] + state).code == 1)
        let key = try await daemon.apiKey()
        #expect(try await RunningProcess.run(["key", "show"] + state).output == "\(key ?? "")\n")
        let rotated = try await RunningProcess.run(["key", "rotate"] + state)
        #expect(rotated.output != "\(key ?? "")\n")
        #expect(try await daemon.apiKey().map { "\($0)\n" } == rotated.output)
        try await daemon.stop()
    }

    @Test("a state that cannot be read is renamed, and no daemon starts without --reset-state")
    func unreadableState() async throws {
        let directory = try TemporaryDirectory()
        let state = directory.path + "/state"
        try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
        try "not a database, but somebody's data".write(toFile: state + "/state.db", atomically: true, encoding: .utf8)
        let manifest = directory.path + "/tunnels.yaml"
        try "version: 1\ntunnels: {}\n".write(toFile: manifest, atomically: true, encoding: .utf8)
        let arguments = ["run", "-f", manifest, "--listen", "127.0.0.1:0", "--state-dir", state]
        for _ in 0..<2 {
            let finished = try await RunningProcess.run(arguments)
            #expect(finished.code == 1)
            #expect((finished.output + finished.errors).contains("--reset-state"))
        }
        let aside = try FileManager.default.contentsOfDirectory(atPath: state).filter { $0.contains("unreadable") }
        #expect(aside.count == 1)
        let kept = try String(contentsOfFile: state + "/" + (aside.first ?? ""), encoding: .utf8)
        #expect(kept == "not a database, but somebody's data")
    }

    @Test("a second daemon on the same state says so and exits 1")
    func conflicts() async throws {
        let daemon = try await Daemon.start(manifest: "version: 1\ntunnels: {}\n")
        let second = try await RunningProcess.run(
            ["run", "-f", daemon.manifestPath, "--listen", "127.0.0.1:0", "--state-dir", daemon.stateDirectory]
        )
        #expect(second.code == 1)
        #expect((second.output + second.errors).contains(daemon.stateDirectory))
        try await daemon.stop()
    }

    @Test("the API key does not follow a redirect to another server")
    func redirect() async throws {
        let other = try FreePorts.one()
        let redirects = try await EchoServer.start(
            .answer(
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:\(other)/api\r\n"
                    + "Content-Length: 0\r\nConnection: close\r\n\r\n"
            )
        )
        let finished = try await RunningProcess.run(
            ["get", "--server", "http://127.0.0.1:\(redirects.port)/api", "--api-key", "s3cret"]
        )
        #expect(finished.code == 1)
        #expect(finished.errors.contains("a redirect is not followed"))
    }
}
