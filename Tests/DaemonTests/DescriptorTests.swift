import Foundation
import NIOCore
import TestSupport
import Testing

@Suite("A daemon at its limit of open files", .timeLimit(.minutes(2)))
struct DescriptorTests {
    enum Users: CaseIterable {
        case idleTCP
        case sourcesOfUDP
    }

    /// 274 places for users, which a single tunnel may have alone.
    private static let limit = 512

    private struct Info: Decodable {
        let fdLimit: Int
        let fdUsers: Int
        let fdTaken: Int
        let refused: Int

        enum CodingKeys: String, CodingKey {
            case fdLimit = "fd_limit"
            case fdUsers = "fd_users"
            case fdTaken = "fd_taken"
            case refused
        }
    }

    private func info(_ daemon: Daemon) async throws -> Info {
        try await daemon.request("GET", "/api/v1/info").decode(Info.self)
    }

    /// Waits, but not for ever, for figures that move without an event.
    private func info(_ daemon: Daemon, where condition: (Info) -> Bool) async throws -> Info {
        for _ in 0..<2000 {
            let info = try await info(daemon)
            if condition(info) { return info }
        }
        return try await info(daemon)
    }

    @Test(
        "it lives, serves its API and follows its manifest, and lets users in when others have left",
        arguments: Users.allCases
    )
    func full(_ kind: Users) async throws {
        let echo = try await EchoServer.start()
        let datagrams = try await DatagramEchoServer.start()
        let ports = try FreePorts.take(3)
        let target = kind == .idleTCP ? echo.port : datagrams.port
        let daemon = try await Daemon.start(
            manifest: DeclaredTunnelTests.manifest(("a", ports[0], target)),
            openFiles: Self.limit
        )
        let limits = try await info(daemon)
        #expect(limits.fdLimit == Self.limit && limits.refused == 0)

        let start = ContinuousClock.now
        var users: [any Channel] = []
        for _ in 0..<limits.fdUsers + 50 {
            switch kind {
            case .idleTCP: users.append(try await TestClient.connect(port: ports[0]).channel)
            case .sourcesOfUDP:
                let user = try await DatagramClient.connect(port: ports[0])
                try await user.send(ByteBuffer(string: "x"))
                users.append(user.channel)
            }
        }
        let full = try await info(daemon) { $0.refused >= 50 }
        #expect(full.refused >= 50 && full.fdTaken >= full.fdUsers - 1, "\(full)")
        #expect(full.fdTaken <= full.fdUsers)

        // The API over TCP and over the socket, the store, the reconciler and its files.
        let state = ["--state-dir", daemon.stateDirectory]
        let server = ["--server", "http://\(try daemon.address)/api", "--api-key", try await daemon.apiKey() ?? ""]
        for way in [state, server] {
            let table = try await RunningProcess.run(["get", "a"] + way)
            #expect(table.code == 0 && table.output.contains("ready"), "\(table)")
        }
        let url = "client://127.0.0.1:\(ports[1])/127.0.0.1:\(echo.port)?mode=1"
        #expect(try await RunningProcess.run(["create", url, "--alias", "made"] + state).code == 0)
        try daemon.edit(
            DeclaredTunnelTests.manifest(("a", ports[0], target), ("b", ports[2], echo.port))
        )
        #expect(try await RunningProcess.run(["apply"] + state).code == 0)
        #expect(try await daemon.instances().allSatisfy { $0.phase == "ready" })
        #expect(try await RunningProcess.run(["delete", "made"] + state).code == 0)
        let text = try await DescribeTests.describe("a", on: daemon).output
        #expect(text.contains(/Refused: +[0-9]+ users: the daemon is short of file descriptors/), "\(text)")
        let metrics = try await daemon.request("GET", "/metrics").text
        #expect(metrics.contains("\nprocess_max_fds \(Self.limit)\n"))
        #expect(metrics.contains(/\nnodepass_tunnel_refused_total\{tunnel="a"\} [1-9]/))
        #expect(metrics.contains(/\nnodepass_users_refused_total [1-9]/))

        // One line a second about it, and none about anything else that goes wrong.
        let seconds = Int((ContinuousClock.now - start) / .seconds(1)) + 1
        let complaints = try daemon.log.split(separator: "\n").filter { $0.contains("WARN") || $0.contains("ERROR") }
        #expect((1...seconds + 1).contains(complaints.count), "\(complaints)")
        #expect(complaints.allSatisfy { $0.contains("file descriptors") }, "\(complaints)")

        for user in users { try? await user.close() }
        // Who sends datagrams leaves when nothing has come for 30 s, or with the tunnel.
        if kind == .sourcesOfUDP { try daemon.edit(DeclaredTunnelTests.manifest(("b", ports[2], echo.port))) }
        #expect(try await info(daemon) { $0.fdTaken < 10 }.fdTaken < 10)
        let late = try await TestClient.connect(port: ports[2])
        try await late.send("late")
        #expect(try await late.receiveText(4) == "late")
        try await late.close()
        #expect(try await daemon.stop() == 0)
    }
}
