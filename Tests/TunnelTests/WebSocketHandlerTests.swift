import Config
import NIOCore
import NIOEmbedded
import Testing

@testable import Tunnel

@Suite("A WebSocket's channel")
struct WebSocketHandlerTests {
    private static let ours = Set(SessionExtension.allCases)

    private static func channel(_ side: SessionSide, _ extensions: Set<SessionExtension>) throws -> EmbeddedChannel {
        let terms = HandshakeTerms(flow: .reverse, max: 8, tls: 0, transport: .websocket, extensions: extensions)
        let channel = EmbeddedChannel(handler: WebSocketHandler(WebSocketHandler.Manner(side, terms)))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        return channel
    }

    /// Closes it; waiting for that would wait for the test's own loop.
    private static func end(_ channel: EmbeddedChannel) {
        channel.close(promise: nil)
        channel.embeddedEventLoop.run()
    }

    /// All that the channel has written.
    private static func written(_ channel: EmbeddedChannel) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { bytes += Array(buffer.readableBytesView) }
        return bytes
    }

    private static func events(_ bytes: [UInt8], ofClient: Bool) throws -> [WebSocketFrameReader.Event] {
        var reader = WebSocketFrameReader(expectsMask: ofClient)
        reader.append(ByteBuffer(bytes: bytes))
        var events: [WebSocketFrameReader.Event] = []
        while let event = try reader.next() { events.append(event) }
        return events
    }

    @Test("a server writes bare frames and a client masks them")
    func masks() throws {
        let server = try Self.channel(.server, Self.ours)
        try server.writeOutbound(ByteBuffer(string: "hello"))
        #expect(try Self.written(server) == [0x82, 5] + Array("hello".utf8))
        let client = try Self.channel(.client, Self.ours)
        try client.writeOutbound(ByteBuffer(string: "hello"))
        let bytes = try Self.written(client)
        #expect(bytes[1] == 0x85)
        let expected = WebSocketFrameReader.Event.data(ByteBuffer(string: "hello"), endsMessage: true)
        #expect(try Self.events(bytes, ofClient: true) == [expected])
        for channel in [server, client] { Self.end(channel) }
    }

    @Test(
        "a long write goes out in frames that proxies take, and comes back whole",
        arguments: [SessionSide.server, .client]
    )
    func longWrites(_ side: SessionSide) throws {
        let channel = try Self.channel(side, Self.ours)
        let bytes = ByteBuffer(bytes: (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 13) })
        try channel.writeOutbound(bytes)
        var whole = ByteBuffer()
        let events = try Self.events(Self.written(channel), ofClient: side == .client)
        for case .data(var part, true) in events {
            #expect(part.readableBytes <= TunnelLimits.webSocketWriteBytes)
            whole.writeBuffer(&part)
        }
        #expect(events.count == 4)
        #expect(whole == bytes)
        Self.end(channel)
    }

    @Test("between ours bytes are passed on before their message is whole; of NodePass, when it is")
    func messages() throws {
        for extensions in [Self.ours, []] {
            let channel = try Self.channel(.client, extensions)
            try channel.writeInbound(ByteBuffer(bytes: [0x02, 2, 65, 66, 0x80, 2, 67]))
            let isWhole = extensions.isEmpty
            #expect(try channel.readInbound() == (isWhole ? nil : ByteBuffer(string: "AB")))
            #expect(try channel.readInbound() == (isWhole ? nil : ByteBuffer(string: "C")))
            try channel.writeInbound(ByteBuffer(bytes: [68]))
            #expect(try channel.readInbound() == ByteBuffer(string: isWhole ? "ABCD" : "D"))
            Self.end(channel)
        }
    }

    @Test("a message without end is passed on in parts, and never held")
    func endless() throws {
        let channel = try Self.channel(.client, [])
        var read = 0
        for round in 0..<64 {
            let start: [UInt8] = [round == 0 ? 0x02 : 0x00, 126, 0x40, 0]
            try channel.writeInbound(ByteBuffer(bytes: start + Array(repeating: 1, count: 0x4000)))
            while let part = try channel.readInbound(as: ByteBuffer.self) { read += part.readableBytes }
            #expect((round + 1) * 0x4000 - read < TunnelLimits.webSocketMessageBytes)
        }
        Self.end(channel)
    }

    @Test("a ping is answered, unless its sender does not read")
    func pong() throws {
        let channel = try Self.channel(.client, Self.ours)
        try channel.writeInbound(ByteBuffer(bytes: [0x89, 2, 7, 8]))
        #expect(try Self.written(channel)[..<2] == [0x8A, 0x82])
        channel.isWritable = false
        for _ in 0..<1000 { try channel.writeInbound(ByteBuffer(bytes: [0x89, 2, 7, 8])) }
        #expect(try Self.written(channel).isEmpty)
        Self.end(channel)
    }

    @Test("between ours the client pings, so that no proxy takes a link for a dead one", arguments: [true, false])
    func pings(_ isOurs: Bool) throws {
        let channel = try Self.channel(.client, isOurs ? Self.ours : [])
        channel.embeddedEventLoop.advanceTime(by: TimeAmount(TunnelLimits.webSocketPing))
        #expect(try Self.written(channel).first == (isOurs ? 0x89 : nil))
        Self.end(channel)
    }

    @Test("a broken rule is answered by a Close with its reason, and the channel is closed")
    func brokenRule() throws {
        for (bytes, status) in [([0x81, 0] as [UInt8], 1002 as UInt16), ([0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0], 1009)] {
            let channel = try Self.channel(.client, Self.ours)
            try channel.writeInbound(ByteBuffer(bytes: bytes))
            channel.embeddedEventLoop.run()
            #expect(!channel.isActive)
            var close = ByteBuffer(bytes: try Self.written(channel))
            close.moveReaderIndex(forwardBy: 2)
            let mask = close.readInteger(endianness: .little, as: UInt32.self)
            close.applyWebSocketMask(mask ?? 0)
            #expect(close == ByteBuffer(integer: status))
        }
    }

    @Test("what was written before the end arrives before it")
    func order() throws {
        let channel = try Self.channel(.server, Self.ours)
        channel.write(ByteBuffer(string: "last"), promise: nil)
        channel.close(mode: .output, promise: nil)
        #expect(try Self.written(channel) == [0x82, 4] + Array("last".utf8) + [0x82, 0])
        #expect(channel.isActive)
        try channel.writeInbound(ByteBuffer(bytes: [0x82, 0x80, 0, 0, 0, 0]))
        channel.embeddedEventLoop.run()
        #expect(try Self.written(channel) == [0x88, 2, 0x03, 0xE8])
        #expect(!channel.isActive)
    }
}
