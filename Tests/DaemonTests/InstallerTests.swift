import Foundation
import TestSupport
import Testing

@Suite("What NodePass's clients rely on: what install scripts look for", .timeLimit(.minutes(2)))
struct InstallerTests {
    @Test(
        "without arguments: the version on standard output, exit 1; the first start of a master prints its key, once"
    )
    func versionAndKey() async throws {
        let finished = try await RunningProcess.run([])
        #expect(finished.code == 1)
        let version = finished.output.firstMatch(of: /v[0-9]+\.[0-9]+\.[0-9]+[^\s]*/)?.output
        #expect(version?.hasPrefix("v1.") == true, "\(finished.output)")
        #expect(finished.errors.isEmpty)
        let directory = try TemporaryDirectory()
        let first = try await journal(of: directory)
        let lines = first.filter { $0.contains("API Key created: ") }
        #expect(lines.count == 1)
        let key = try #require(createdKey(in: lines))
        let second = try await journal(of: directory)
        #expect(!second.contains { $0.contains(key) })
    }

    @Test("no key is in clear beside the binary: no gob file, and only the owner can read the files that have the key")
    func keyFiles() async throws {
        let directory = try TemporaryDirectory()
        let lines = try await journal(of: directory)
        let key = try #require(createdKey(in: lines))
        let place = URL(fileURLWithPath: RunningProcess.binary).deletingLastPathComponent()
        #expect(!FileManager.default.fileExists(atPath: place.appendingPathComponent("gob").path))
        let state = directory.path + "/state"
        #expect(try mode(of: state) == 0o700)
        let files = try FileManager.default.subpathsOfDirectory(atPath: directory.path)
        #expect(!files.isEmpty && !files.contains { $0.hasSuffix(".gob") })
        var holders = 0
        for file in files {
            let path = directory.path + "/" + file
            guard let data = FileManager.default.contents(atPath: path), data.firstRange(of: Data(key.utf8)) != nil
            else { continue }
            holders += 1
            #expect(file.hasPrefix("state/"))
            #expect(try mode(of: path) == 0o600)
        }
        #expect(holders > 0)
    }

    private func createdKey(in lines: [String]) -> String? {
        let line = lines.first { $0.contains("API Key created: ") }
        return line?.firstMatch(of: /created: ([0-9a-f]{32})(?![0-9a-f])/).map { String($0.output.1) }
    }

    /// Everything a master prints from its start to its end, which comes when it is ready.
    private func journal(of directory: TemporaryDirectory) async throws -> [String] {
        let port = try FreePorts.one()
        var master = try await FollowedProcess.start(
            ["master://127.0.0.1:\(port)/api?log=info"],
            environment: ["NODEPASS_STATE_DIR": directory.path + "/state"]
        )
        #expect(await master.line(with: /Master started/) != nil)
        master.process.signal(SIGTERM)
        #expect(try await master.end() == 0)
        return master.seen
    }

    private func mode(of path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }
}
