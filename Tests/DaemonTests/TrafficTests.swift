import Foundation
import NIOCore
import TestSupport
import Testing

@Suite("Real traffic through the built daemon", .timeLimit(.minutes(2)))
struct TrafficTests {
    @Test("the answer to a half-closed TCP request arrives")
    func halfClose() async throws {
        let server = try await EchoServer.start(.answerAfterEnd)
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("t", port, server.port)))
        let client = try await TestClient.connect(port: port)
        try await client.send(ByteBuffer(repeating: 1, count: 1_000_000))
        try await client.endOutput()
        #expect(String(buffer: try await client.receiveAll()) == "got 1000000")
        try await daemon.stop()
    }

    @Test("UDP datagrams up to 65,507 bytes and bursts keep their boundaries")
    func datagrams() async throws {
        let server = try await DatagramEchoServer.start()
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("t", port, server.port)))
        let client = try await DatagramClient.connect(port: port)
        var received = client.datagrams.makeAsyncIterator()
        for size in [1, 512, 1400, 9000, 65_507] {
            try await client.send(ByteBuffer(repeating: UInt8(size % 251), count: size))
            #expect(await received.next()?.readableBytes == size)
        }
        for number in 0..<200 { client.channel.write(ByteBuffer(repeating: UInt8(number), count: 100), promise: nil) }
        client.channel.flush()
        for number in 0..<200 {
            #expect(await received.next() == ByteBuffer(repeating: UInt8(number), count: 100))
        }
        try await daemon.stop()
    }

    @Test("1,000 connections at once")
    func thousand() async throws {
        let server = try await EchoServer.start()
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("t", port, server.port)))
        var clients: [TestClient] = []
        for _ in 0..<1000 { clients.append(try await TestClient.connect(port: port)) }
        for (number, client) in clients.enumerated() { try await client.send("connection \(number)") }
        for (number, client) in clients.enumerated() {
            let expected = "connection \(number)"
            #expect(try await client.receiveText(expected.utf8.count) == expected)
        }
        for client in clients { try await client.close() }
        let sent = (0..<1000).reduce(0) { $0 + "connection \($1)".utf8.count }
        #expect(try await daemon.instance(named: "t")?.tcprx == UInt64(sent))
        try await daemon.stop()
    }

    @Test("1,000 tunnels are ready, within a memory of their own under 60 MB")
    func manyTunnels() async throws {
        let server = try await EchoServer.start()
        let tunnels = (0..<1000).map { index in
            "  t\(index): {role: client, mode: single, tunnel: '127.0.0.1:0', target: '127.0.0.1:\(server.port)'}"
        }
        let manifest = "version: 1\ndefaults: {drain: 0s}\ntunnels:\n" + tunnels.joined(separator: "\n") + "\n"
        let daemon = try await Daemon.start(manifest: manifest)
        let ready = try await daemon.instances().filter { $0.phase == "ready" }
        #expect(ready.count == 1000)
        // What it has allocated; the pages of the program itself are more in a debug build.
        let allocatedKilobytes = try daemon.allocatedKilobytes
        #expect(allocatedKilobytes < 60_000)
        try await daemon.stop()
    }
}
