import Foundation
import TestSupport
import Testing

@Suite("The key file of NodePass's scripts", .timeLimit(.minutes(1)))
struct LegacyKeyFileTests {
    @Test("it has the key as the one run of 32 hex digits, for its owner alone, and follows a new key")
    func follows() async throws {
        let place = try TemporaryDirectory()
        let path = place.file("gob/nodepass.gob")
        let manifest = "version: 1\ntunnels: {}\n"
        let daemon = try await Daemon.start(manifest: manifest, arguments: ["--legacy-key-file", path])
        let key = try keys(in: path)
        #expect(key.count == 1)
        #expect(try daemon.log.contains("API Key created: \(key[0])"))
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let answer = try await daemon.request("PATCH", "/api/v1/instances/********", #"{"action":"restart"}"#)
        let new = try keys(in: path)
        #expect(new.count == 1 && new != key)
        #expect(answer.text.contains(new[0]))
        try await daemon.stop()
    }

    @Test("a place that cannot be written stops the daemon with the path")
    func refused() async throws {
        let place = try TemporaryDirectory()
        let manifest = try place.write("version: 1\ntunnels: {}\n", to: "m.yaml")
        let run = try await RunningProcess.run(
            ["run", "-f", manifest, "--listen", "127.0.0.1:0", "--state-dir", place.file("state")]
                + ["--legacy-key-file", "/proc/nowhere/key"]
        )
        #expect(run.code == 1)
        #expect(run.errors.contains("--legacy-key-file: cannot write /proc/nowhere/key"))
    }

    /// As np.sh looks for it.
    private func keys(in path: String) throws -> [String] {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        return text.matches(of: /[0-9a-f]{32}/).map { String($0.output) }
    }
}
