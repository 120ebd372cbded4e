import Config
import NIOCore
import TestSupport
import Testing
import Tunnel

@Suite("Asking whether a port is free", .timeLimit(.minutes(1)))
struct PortCheckTests {
    @Test("a port that a program listens on is named as taken, and is left alone")
    func taken() async throws {
        let server = try await EchoServer.start()
        let endpoint = Endpoint(host: "127.0.0.1", port: UInt16(server.port))
        let problem = try #require(PortCheck.problem(at: ListenAddress(endpoint, .tcp)))
        #expect(problem.reason == .portInUse && problem.message.contains("ss -tanp 'sport = :"))
        // Asking has taken nothing: the program still answers.
        let user = try await TestClient.connect(port: server.port)
        try await user.send("x")
        #expect(try await user.receive(1).readableBytes == 1)
        try await server.channel.close()
    }

    @Test("a free port can be taken after asking", arguments: TransportProtocol.allCases)
    func free(_ transport: TransportProtocol) async throws {
        let port = try FreePorts.take(1)[0]
        let address = ListenAddress(Endpoint(host: "127.0.0.1", port: UInt16(port)), transport)
        #expect(PortCheck.problem(at: address) == nil)
        #expect(PortCheck.problem(at: address) == nil)
        #expect(PortCheck.problem(at: ListenAddress(Endpoint(host: "some.name", port: 80), transport)) == nil)
    }

    @Test("an address of another machine is said to be none of this one")
    func elsewhere() {
        let problem = PortCheck.problem(at: ListenAddress(Endpoint(host: "192.0.2.7", port: 4000), .tcp))
        #expect(problem?.reason == .addressNotAvailable)
    }
}
