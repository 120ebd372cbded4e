import Config
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import Tunnel

@Suite("A single-end tunnel over UDP", .timeLimit(.minutes(1)))
struct UDPTests {
    @Test("datagrams of every size keep their boundaries", arguments: [0, 1, 1400, 9000, 16_385, 65_507])
    func sizes(_ size: Int) async throws {
        let server = try await DatagramEchoServer.start()
        try await withEngine { engine in
            let client = try await DatagramClient.connect(port: await engine.start(try .singleEnd(to: server.port)))
            try await client.send(ByteBuffer(repeating: 5, count: size))
            var received = client.datagrams.makeAsyncIterator()
            #expect(await received.next()?.readableBytes == size)
        }
    }

    @Test("a burst comes out as the datagrams that went in")
    func burst() async throws {
        let server = try await DatagramEchoServer.start()
        try await withEngine { engine in
            let client = try await DatagramClient.connect(port: await engine.start(try .singleEnd(to: server.port)))
            for number in 0..<100 {
                client.channel.write(ByteBuffer(repeating: UInt8(number), count: 100 + number), promise: nil)
            }
            client.channel.flush()
            var received = client.datagrams.makeAsyncIterator()
            for number in 0..<100 {
                #expect(await received.next() == ByteBuffer(repeating: UInt8(number), count: 100 + number))
            }
            let traffic = try #require(engine.snapshot()["00000001"]?.traffic)
            #expect(traffic.udpRx == 14_950 && traffic.udpTx == 14_950)
        }
    }

    @Test("each user has a session of its own")
    func sessions() async throws {
        let server = try await DatagramEchoServer.start()
        try await withEngine { engine in
            let port = await engine.start(try .singleEnd(to: server.port))
            let users = [try await DatagramClient.connect(port: port), try await DatagramClient.connect(port: port)]
            for (number, user) in users.enumerated() { try await user.send(ByteBuffer(string: "user \(number)")) }
            for (number, user) in users.enumerated() {
                var received = user.datagrams.makeAsyncIterator()
                #expect(await received.next() == ByteBuffer(string: "user \(number)"))
            }
            #expect(engine.snapshot()["00000001"]?.udpSessions == 2)
        }
    }

    @Test("an idle session is forgotten")
    func idle() async throws {
        let server = try await DatagramEchoServer.start()
        let environment = TunnelEnvironment(variables: ["NP_UDP_READ_TIMEOUT": "100ms"])
        try await withEngine(environment: environment) { engine in
            let user = try await DatagramClient.connect(port: await engine.start(try .singleEnd(to: server.port)))
            try await user.send(ByteBuffer(string: "hello"))
            _ = await engine.figures { $0.traffic.udpRx == 5 }
            _ = await engine.figures { $0.udpSessions == 0 }
        }
    }

    @Test("beyond the session limit datagrams are dropped, and the sessions there are go on")
    func limit() async throws {
        let server = try await DatagramEchoServer.start()
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.connections = 1
            let port = await engine.start(spec)
            let first = try await DatagramClient.connect(port: port)
            var received = first.datagrams.makeAsyncIterator()
            try await first.send(ByteBuffer(string: "1"))
            #expect(await received.next() == ByteBuffer(string: "1"))
            try await DatagramClient.connect(port: port).send(ByteBuffer(string: "2"))
            try await first.send(ByteBuffer(string: "3"))
            #expect(await received.next() == ByteBuffer(string: "3"))
            #expect(engine.snapshot()["00000001"]?.udpSessions == 1)
        }
    }

    @Test("a target that was not there is reached by a later datagram")
    func recovers() async throws {
        let gone = try await DatagramEchoServer.start()
        let port = gone.port
        try await gone.channel.close()
        try await withEngine { engine in
            let client = try await DatagramClient.connect(port: await engine.start(try .singleEnd(to: port)))
            try await client.send(ByteBuffer(string: "lost"))
            _ = await engine.figures { $0.traffic.udpRx == 4 && $0.udpSessions == 0 }
            let back = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .bind(host: "127.0.0.1", port: port).get()
            try await back.close()
            #expect(engine.snapshot()["00000001"]?.phase == .ready)
        }
    }
}
