import NIOCore
import Testing

@testable import Tunnel

@Suite("WebSocket frames and how a WebSocket ends")
struct WebSocketFrameTests {
    private typealias Event = WebSocketFrameReader.Event

    /// What a reader makes of the bytes that come in segments of this length.
    private static func read(
        _ bytes: [UInt8],
        masked: Bool = false,
        segment: Int = .max,
        limitBytes: Int = 1000
    ) throws(WebSocketFrameReader.Problem) -> [Event] {
        var reader = WebSocketFrameReader(expectsMask: masked, limitBytes: limitBytes)
        var events: [Event] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            reader.append(ByteBuffer(bytes: rest.prefix(segment)))
            rest = rest.dropFirst(segment)
            while let event = try reader.next() { events.append(event) }
        }
        return events
    }

    private static func frame(_ opcode: WebSocketOpcode, _ payload: [UInt8], mask: UInt32? = nil) -> [UInt8] {
        var buffer = ByteBuffer()
        WebSocketFrameHead(opcode: opcode, length: payload.count, mask: mask).write(to: &buffer)
        var body = ByteBuffer(bytes: payload)
        body.applyWebSocketMask(mask ?? 0)
        buffer.writeBuffer(&body)
        return Array(buffer.readableBytesView)
    }

    @Test("NodePass's own frames are read and written byte for byte")
    func reference() throws {
        let id: [UInt8] = [0x82, 0x04, 0, 0, 0, 0]
        #expect(try Self.read(id) == [.data(ByteBuffer(bytes: [0, 0, 0, 0]), endsMessage: true)])
        #expect(Self.frame(.binary, [0, 0, 0, 0]) == id)
        #expect(try Self.read([0x88, 0x02, 0x03, 0xE8]) == [.close])
        #expect(Self.frame(.close, [0x03, 0xE8]) == [0x88, 0x02, 0x03, 0xE8])
        // RFC 6455 §5.7.
        let masked: [UInt8] = [0x82, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]
        #expect(try Self.read(masked, masked: true) == [.data(ByteBuffer(string: "Hello"), endsMessage: true)])
        #expect(Self.frame(.binary, Array("Hello".utf8), mask: 0x3D21_FA37) == masked)
    }

    @Test("a message is the same in segments of any length", arguments: [1, 2, 3, 5, 7, 13, 64, 200], [false, true])
    func segments(_ segment: Int, _ masked: Bool) throws {
        let payloads = [0, 1, 125, 126, 300, 0xFFFF, 0x10000].map { length in
            (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        }
        let bytes = payloads.flatMap { Self.frame(.binary, $0, mask: masked ? 0xA1B2_C3D4 : nil) }
        var messages: [[UInt8]] = [[]]
        for event in try Self.read(bytes, masked: masked, segment: segment, limitBytes: 0x10000) {
            switch event {
            case .data(let part, let endsMessage):
                messages[messages.count - 1] += Array(part.readableBytesView)
                if endsMessage { messages.append([]) }
            case .emptyMessage: messages.append([])
            default: Issue.record("\(event)")
            }
        }
        #expect(messages.dropLast() == payloads)
    }

    @Test("the parts of a message are one, whatever comes between them")
    func fragments() throws {
        let bytes: [UInt8] = [0x02, 1, 65] + [0x89, 1, 9] + [0x00, 0] + [0x8A, 0] + [0x80, 1, 66] + [0x82, 0]
        #expect(
            try Self.read(bytes) == [
                .data(ByteBuffer(string: "A"), endsMessage: false), .ping(ByteBuffer(bytes: [9])),
                .data(ByteBuffer(), endsMessage: false), .pong, .data(ByteBuffer(string: "B"), endsMessage: true),
                .emptyMessage,
            ]
        )
    }

    static let hostile: [(String, [UInt8], WebSocketFrameReader.Problem)] = [
        ("text", [0x81, 1, 65], .frame), ("a reserved opcode", [0x83, 0], .frame),
        ("a reserved bit", [0xC2, 0], .frame),
        ("a reserved control opcode", [0x8B, 0], .frame), ("a ping in parts", [0x09, 0], .frame),
        ("a ping of 126 bytes", [0x89, 126, 0, 126], .frame),
        ("a mask from a server", [0x82, 0x80, 0, 0, 0, 0], .mask),
        ("a part of nothing", [0x80, 1, 65], .order), ("a message within another", [0x02, 1, 65, 0x82, 1, 66], .order),
        ("a frame over the limit", [0x82, 126, 0x03, 0xE9], .tooLong),
        ("a frame beyond any length", [0x82, 127] + Array(repeating: 0xFF, count: 8), .tooLong),
    ]

    @Test("what no peer of ours sends ends the connection", arguments: hostile)
    func refuses(_ name: String, _ bytes: [UInt8], _ problem: WebSocketFrameReader.Problem) {
        #expect(throws: problem) { try Self.read(bytes) }
        #expect(throws: problem) { try Self.read(bytes, segment: 1) }
    }

    @Test("a client that does not mask is refused at its second byte")
    func unmasked() {
        #expect(throws: WebSocketFrameReader.Problem.mask) { try Self.read([0x82, 1], masked: true) }
    }

    // MARK: Ending

    @Test("two of ours end one direction each, and close when both are over")
    func halves() {
        var ending = WebSocketEnding(canHalfClose: true)
        #expect(ending.endOutput() == [.sendEnd])
        #expect(ending.endOutput() == [])
        #expect(ending.receivedEmptyMessage() == [.endInput, .sendClose, .shut])
        #expect(ending.receivedClose() == [])
        var other = WebSocketEnding(canHalfClose: true)
        #expect(other.receivedEmptyMessage() == [.endInput])
        #expect(other.receivedEmptyMessage() == [])
        #expect(other.endOutput() == [.sendClose, .shut])
        #expect(other.close() == [])
    }

    @Test("towards NodePass a Close ends both directions, and is answered at once")
    func whole() {
        var ending = WebSocketEnding(canHalfClose: false)
        #expect(ending.receivedEmptyMessage() == [])
        #expect(ending.endOutput() == [.sendClose])
        #expect(ending.receivedClose() == [.shut])
        var answering = WebSocketEnding(canHalfClose: false)
        #expect(answering.receivedClose() == [.sendClose, .shut])
        #expect(answering.endOutput() == [])
    }
}
