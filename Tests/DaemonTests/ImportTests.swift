import Foundation
import TestSupport
import Testing

@Suite("nodepass import", .timeLimit(.minutes(2)))
struct ImportTests {
    private let directory: TemporaryDirectory
    private var state: String { directory.file("state") }

    init() throws {
        directory = try TemporaryDirectory()
        try Data(GobFiles.master).write(to: URL(fileURLWithPath: directory.file("nodepass.gob")))
        try Data(GobFiles.master.dropLast(9)).write(to: URL(fileURLWithPath: directory.file("cut.gob")))
        try "version: 1\ntunnels: {}\n".write(toFile: directory.file("tunnels.yaml"), atomically: true, encoding: .utf8)
    }

    private func importing(_ file: String, _ more: String...) async throws -> RunningProcess.Finished {
        try await RunningProcess.run(["import", directory.file(file), "--state-dir", state] + more)
    }

    @Test("a daemon on the imported state is the master that was: instances, ids, counters, key")
    func takeOver() async throws {
        let finished = try await importing("nodepass.gob")
        #expect(finished.code == 0, "\(finished)")
        #expect(finished.output.hasSuffix("3 imported, 0 present already, 1 skipped; the API key is imported.\n"))
        #expect(
            finished.output.contains(
                "imported  a1b2c3d4  server://••••••@127.0.0.1:21101/127.0.0.1:21102?log=info&mode=1&tls=0  starts  Web\n"
            )
        )
        #expect(finished.errors.hasPrefix("Warning: 00000003: skipped: "))
        for secret in ["s3cret", "t0psecret", "k%20y", GobFiles.masterKey] {
            #expect(!(finished.output + finished.errors).contains(secret))
        }

        let daemon = try await Daemon.start(in: directory)
        #expect(try await daemon.apiKey() == GobFiles.masterKey)
        let instances = try await daemon.instances()
        #expect(instances.map(\.id) == ["00000001", "00000002", "a1b2c3d4"])
        #expect(instances.map(\.alias) == ["Datenbank", "", "Web"])
        #expect(instances.last?.tcprx == 387)
        #expect(instances.map { $0.status == "stopped" } == [false, true, false])

        let running = try await importing("nodepass.gob", "--dry-run")
        #expect(running.code == 1 && running.errors.contains("another nodepass uses the state directory"))
        #expect(try await daemon.stop() == 0)

        let again = try await importing("nodepass.gob")
        #expect(again.code == 0 && again.output.contains("0 imported, 3 present already, 1 skipped"))
    }

    @Test("a dry run says the same and leaves nothing behind")
    func dryRun() async throws {
        let finished = try await importing("nodepass.gob", "--dry-run")
        #expect(finished.code == 0)
        #expect(finished.output.contains("imported  00000001  client://127.0.0.1:21103/127.0.0.1:5432?mode=1"))
        #expect(finished.output.contains("Dry run, nothing changed: 3 imported"))
        #expect(!FileManager.default.fileExists(atPath: state))
    }

    @Test("what is damaged, absent or in the way is an error, and nothing is imported")
    func refusals() async throws {
        let cut = try await importing("cut.gob")
        #expect(cut.code == 1 && cut.errors.contains("byte 429: a message is longer than what is left of the file"))
        let absent = try await importing("absent.gob")
        #expect(absent.code == 1 && absent.errors.contains("No such file"))
        #expect(!FileManager.default.fileExists(atPath: state))

        #expect(try await importing("nodepass.gob").code == 0)
        let daemon = try await Daemon.start(in: directory)
        let patch = #"{"alias":"Another"}"#
        #expect(try await daemon.request("PATCH", "/api/v1/instances/a1b2c3d4", patch).status == 200)
        var events = try await daemon.events().makeAsyncIterator()
        #expect(try await daemon.request("DELETE", "/api/v1/instances/00000001").status == 204)
        #expect(try await events.first { $0.type == "delete" } != nil)
        try await daemon.stop()
        let conflict = try await importing("nodepass.gob")
        #expect(conflict.code == 1)
        #expect(conflict.errors.contains("instances with these ids already exist with other values: a1b2c3d4; "))
        let after = try await Daemon.start(in: directory)
        #expect(try await after.instances().map(\.id) == ["00000002", "a1b2c3d4"])
        try await after.stop()
    }
}
