import Foundation
import TestSupport
import Testing

@Suite("nodepass logs", .timeLimit(.minutes(2)))
struct LogsTests {
    private static func logs(_ arguments: [String], on daemon: Daemon) async throws -> RunningProcess.Finished {
        try await RunningProcess.run(["logs"] + arguments + ["--state-dir", daemon.stateDirectory])
    }

    @Test("prints a tunnel's lines, newest last, and without colors when output is not a terminal")
    func recent() async throws {
        let target = try await EchoServer.start()
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("web", port, target.port)))
        let id = try #require(try await daemon.instance(named: "web")?.id)
        #expect(try await daemon.request("PATCH", "/api/v1/instances/\(id)", #"{"action":"restart"}"#).status == 200)
        var following = try await FollowedProcess.start(["logs", "-f", "web", "--state-dir", daemon.stateDirectory])
        // Once stopped and started again it has said so, and what the API gives is complete up to
        // there.
        for _ in 0..<2 { _ = try #require(await following.line(with: /Client started: client:/)) }
        let finished = try await Self.logs(["web", "--tail", "1"], on: daemon)
        #expect(finished.code == 0)
        let pattern = /[-0-9]{10} [:0-9]{8}\.[0-9]{3}  [A-Z]+  Client started: client:\/\/127\.0\.0\.1:[0-9]+\/.*\n/
        #expect(finished.output.wholeMatch(of: pattern) != nil, "\(finished.output)")
        let all = try await Self.logs([id], on: daemon)
        #expect(all.output.hasSuffix(finished.output) && all.output != finished.output)
        following.process.signal(SIGTERM)
        _ = try await following.end()
        try await daemon.stop()
    }

    @Test("-f goes on with every line that comes, until the tunnel is gone")
    func follow() async throws {
        let target = try await EchoServer.start()
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("web", port, target.port)))
        let id = try #require(try await daemon.instance(named: "web")?.id)
        var following = try await FollowedProcess.start(["logs", "-f", "web", "--state-dir", daemon.stateDirectory])
        _ = try #require(await following.line(with: /Client started/))
        #expect(try await daemon.request("PATCH", "/api/v1/instances/\(id)", #"{"action":"restart"}"#).status == 200)
        _ = try #require(await following.line(with: /Client started/))
        try daemon.edit(DeclaredTunnelTests.manifest())
        #expect(try await following.end() == 0)
        try await daemon.stop()
    }

    @Test("a daemon that stops ends what follows it, and does not wait for it")
    func shutdown() async throws {
        let target = try await EchoServer.start()
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("web", port, target.port)))
        var following = try await FollowedProcess.start(["logs", "-f", "web", "--state-dir", daemon.stateDirectory])
        _ = try #require(await following.line(with: /Client started/))
        #expect(try await daemon.stop() == 0)
        #expect(try await following.end() == 0)
    }

    @Test("a name nobody has and a tail out of range are errors")
    func errors() async throws {
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("web", try FreePorts.one(), 9)))
        let nobody = try await Self.logs(["nobody"], on: daemon)
        #expect(nobody.code == 1 && nobody.errors.contains("nobody"))
        for more in [[], ["-f"]] {
            let wrong = try await Self.logs(["web", "--tail", "0"] + more, on: daemon)
            #expect(wrong.code == 64 && wrong.errors.contains("tail takes a number from 1 to 500"))
        }
        try await daemon.stop()
    }
}
