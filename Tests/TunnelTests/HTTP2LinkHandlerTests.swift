import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2
import Testing

@testable import Tunnel

@Suite("A link's HTTP/2 stream")
struct HTTP2LinkHandlerTests {
    private typealias Payload = HTTP2Frame.FramePayload

    /// Counts what it hears.
    private final class Opened {
        var count = 0
    }

    private static func channel(_ role: HTTP2LinkHandler.Role) throws -> EmbeddedChannel {
        let channel = EmbeddedChannel(handler: HTTP2LinkHandler(role))
        channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
        return channel
    }

    /// What has been written, a word a frame.
    private static func written(_ channel: EmbeddedChannel) throws -> [String] {
        var frames: [String] = []
        while let payload = try channel.readOutbound(as: Payload.self) {
            switch payload {
            case .headers(let head):
                let name = head.headers.first(name: ":status") ?? head.headers.first(name: ":path") ?? ""
                frames.append(name + (head.endStream ? " end" : ""))
            case .data(let data):
                guard case .byteBuffer(let bytes) = data.data else { continue }
                frames.append("'\(String(buffer: bytes))'" + (data.endStream ? " end" : ""))
            default: frames.append("\(payload)")
            }
        }
        return frames
    }

    private static func data(_ text: String, ends: Bool = false) -> Payload {
        .data(.init(data: .byteBuffer(ByteBuffer(string: text)), endStream: ends))
    }

    private static func head(_ headers: HPACKHeaders, ends: Bool = false) -> Payload {
        .headers(.init(headers: headers, endStream: ends))
    }

    @Test("a client asks at once, and ends its direction after all its bytes")
    func client() throws {
        let channel = try Self.channel(.client(authority: "none"))
        #expect(try Self.written(channel) == ["/stream", "'\0'"])
        try channel.writeInbound(Self.head(HTTP2Link.acceptance))
        try channel.writeInbound(Self.data("id"))
        #expect(try channel.readInbound() == ByteBuffer(string: "id"))
        channel.writeAndFlush(ByteBuffer(string: "bytes"), promise: nil)
        channel.close(mode: .output, promise: nil)
        #expect(try Self.written(channel) == ["'bytes'", "'' end"])
        try channel.writeInbound(Self.data("more"))
        #expect(try channel.readInbound() == ByteBuffer(string: "more"))
    }

    @Test("a server answers with its first bytes, to a client that has sent one")
    func server() throws {
        let opened = Opened()
        let channel = try Self.channel(.server(hasRoom: { true }, opened: { _ in opened.count += 1 }))
        try channel.writeInbound(Self.head(HTTP2Link.request(authority: "none")))
        #expect(opened.count == 0)
        try channel.writeInbound(Self.data("\u{7}proof"))
        #expect(opened.count == 1)
        #expect(try channel.readInbound() == ByteBuffer(string: "proof"))
        #expect(try Self.written(channel).isEmpty)
        channel.writeAndFlush(ByteBuffer(string: "id"), promise: nil)
        #expect(try Self.written(channel) == ["200", "'id'"])
        channel.close(promise: nil)
        #expect(try Self.written(channel) == ["'' end"])
    }

    @Test("what is no link's request, or finds no room, is answered 404", arguments: [true, false])
    func refusal(_ hasRoom: Bool) throws {
        let opened = Opened()
        let channel = try Self.channel(.server(hasRoom: { hasRoom }, opened: { _ in opened.count += 1 }))
        var request = HTTP2Link.request(authority: "none")
        if hasRoom { request.replaceOrAdd(name: ":path", value: "/") }
        try channel.writeInbound(Self.head(request))
        #expect(try Self.written(channel) == ["404", "'not found\n' end"])
        #expect(!channel.isActive)
        #expect(opened.count == 0)
    }

    @Test("a client whose stream is refused closes it")
    func refused() throws {
        let channel = try Self.channel(.client(authority: "none"))
        try channel.writeInbound(Self.head(HTTP2Link.refusal))
        #expect(!channel.isActive)
    }

    @Test("an empty write says when the bytes before it are written, and sends no frame")
    func emptyWrite() throws {
        let channel = try Self.channel(.client(authority: "none"))
        _ = try Self.written(channel)
        let opened = Opened()
        channel.write(ByteBuffer(string: "x"), promise: nil)
        channel.write(ByteBuffer()).assumeIsolated().whenSuccess { opened.count += 1 }
        #expect(opened.count == 0)
        channel.flush()
        #expect(opened.count == 1)
        #expect(try Self.written(channel) == ["'x'"])
    }
}
