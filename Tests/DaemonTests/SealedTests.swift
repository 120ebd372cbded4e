import Foundation
import NIOCore
import TestSupport
import Testing

@Suite("Two daemons and the sealed handshake", .timeLimit(.minutes(2)))
struct SealedTests {
    @Test("a client that was sealed is not let in with less after the daemon was killed, until its peer is forgotten")
    func killedServer() async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let texts = try Example.reverse(tunnel: ports[0], users: ports[1], target: target.port)
        let example = try await Example("web", texts)
        try await example.ready()
        try await example.client.stop()
        try await example.server.kill()
        let key = try #require(Example.environment["NODEPASS_KEY"])
        let server = try await Daemon.start(in: example.server.directory, environment: Example.environment)
        await #expect(throws: ReferencePeerError.self) { try await ReferencePeer.client(port: ports[0], key: key) }
        let refusing = try await server.tunnel("web") { $0.reason == "PeerDowngraded" }
        #expect(refusing.message?.hasSuffix("run: nodepass forget-peer \(refusing.id)") == true)
        let forgotten = try await OperatorTests.nodepass("forget-peer", "web", on: server)
        #expect(forgotten.code == 0 && forgotten.output == "web: peer forgotten\n", "\(forgotten.errors)")
        let peer = try await ReferencePeer.client(port: ports[0], key: key)
        try await peer.controlUp()
        await peer.stop()
        try await server.stop()
    }

    @Test(
        "a server that was sealed is not believed with less after the client's daemon was killed, until it is forgotten"
    )
    func killedClient() async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let texts = try Example.reverse(tunnel: ports[0], users: ports[1], target: target.port)
        let example = try await Example("web", texts)
        try await example.ready()
        try await example.client.kill()
        try await example.server.stop()
        let key = try #require(Example.environment["NODEPASS_KEY"])
        let peer = try await ReferencePeer.server(port: ports[0], key: key)
        let client = try await Daemon.start(in: example.client.directory, environment: Example.environment)
        try await client.tunnel("web") { $0.reason == "PeerDowngraded" && $0.phase == "backoff" }
        let described = try await DescribeTests.describe("web", on: client)
        #expect(described.output.contains("nodepass forget-peer"))
        #expect(try await OperatorTests.nodepass("forget-peer", "web", on: client).code == 0)
        try await peer.handshaken()
        await peer.stop()
        try await client.stop()
    }

    @Test("the key that is generated starts a tunnel with handshake: sealed, and a guessable one does not")
    func keys() async throws {
        let generated = try await RunningProcess.run(["key", "generate"])
        #expect(generated.code == 0 && generated.errors.isEmpty)
        let key = generated.output.trimmingCharacters(in: .newlines)
        #expect(key.wholeMatch(of: /[A-Za-z][-_A-Za-z0-9]{26}/) != nil)
        let directory = try TemporaryDirectory()
        func validate(_ key: String) async throws -> RunningProcess.Finished {
            let text = """
                version: 1
                tunnels:
                  web: {role: server, mode: reverse, tunnel: '0.0.0.0:10101', target: 'a:1', handshake: sealed, key: \(key)}
                """
            return try await RunningProcess.run(["validate", try directory.write(text, to: "m.yaml")])
        }
        #expect(try await validate(key).code == 0)
        let refused = try await validate("change-me")
        #expect(refused.code == 1 && (refused.output + refused.errors).contains("nodepass key generate"))
        #expect(!(refused.output + refused.errors).contains("change-me"))
    }

    @Test("what v1.14's handshake costs is said by describe and the log")
    func cost() async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let texts = try Example.reverse(tunnel: ports[0], users: ports[1], target: target.port)
        let compatible = texts.server.replacing("role: server", with: "role: server\n    handshake: compatible")
        let example = try await Example("web", Example.Texts(server: compatible, client: texts.client))
        try await example.ready()
        let described = try await DescribeTests.describe("web", on: example.server)
        #expect(described.output.contains("compatible: anyone who sees one handshake can repeat it"))
        #expect(try example.server.log.contains("compatible: anyone who sees one handshake can repeat it"))
        try await example.stop()
    }
}
