import NIOCore
import Testing

@testable import Tunnel

@Suite("Signal lines are cut out of what the network delivers")
struct SignalLinesTests {
    struct Stream: Sendable, CustomTestStringConvertible {
        let reads: [String]
        /// What comes out after each read.
        let lines: [[String]]
        var testDescription: String { "\(reads)" }
    }

    @Test(
        "lines come out whole, as soon as they are",
        arguments: [
            Stream(reads: ["ab\n"], lines: [["ab"]]),
            Stream(reads: ["a", "b", "\n"], lines: [[], [], ["ab"]]),
            Stream(reads: ["a\nb\nc"], lines: [["a", "b"]]),
            Stream(reads: ["a\nb", "c\nd\n"], lines: [["a"], ["bc", "d"]]),
            Stream(reads: ["\n", "\n\na\n\n"], lines: [[""], ["", "", "a", ""]]),
            Stream(reads: ["a\r\n"], lines: [["a\r"]]),
            Stream(reads: ["", "a", "", "\n"], lines: [[], [], [], ["a"]]),
            Stream(reads: ["12345678\n", "12345678", "\n"], lines: [["12345678"], [], ["12345678"]]),
        ]
    )
    func cutting(_ stream: Stream) throws {
        var lines = SignalLines(limitBytes: 8)
        for (read, expected) in zip(stream.reads, stream.lines) {
            lines.append(ByteBuffer(string: read))
            #expect(try drain(&lines) == expected)
        }
    }

    @Test("a long text is cut alike, whatever the reads", arguments: [1, 2, 5, 17, 1000])
    func sizes(_ size: Int) throws {
        let words = (0..<200).map { String(repeating: "x", count: $0 % 7) + "\($0)" }
        let bytes = Array(words.map { $0 + "\n" }.joined().utf8)
        var lines = SignalLines(limitBytes: 16)
        var seen: [String] = []
        for begin in stride(from: 0, to: bytes.count, by: size) {
            lines.append(ByteBuffer(bytes: bytes[begin..<min(begin + size, bytes.count)]))
            seen += try drain(&lines)
        }
        #expect(seen == words)
    }

    @Test("a line past the limit is refused, whether its end has come or not", arguments: ["123456789", "123456789\n"])
    func tooLong(_ text: String) throws {
        var lines = SignalLines(limitBytes: 8)
        lines.append(ByteBuffer(string: "ok\n" + text))
        #expect(try lines.next() == Array("ok".utf8))
        #expect(throws: SignalLines.TooLong.self) { try lines.next() }
    }

    private func drain(_ lines: inout SignalLines) throws -> [String] {
        var drained: [String] = []
        while let line = try lines.next() { drained.append(String(decoding: line, as: UTF8.self)) }
        return drained
    }
}
