import Config
import FoundationEssentials
import Testing

/// The forms in which values are written and read: JSON, hex, escapes, queries, times, event streams, labels.
struct FormatTests {
    @Test("hex is two digits a byte, and only that is read")
    func hex() {
        #expect(Hex.text([0, 15, 16, 255]) == "000f10ff")
        #expect(Hex.uppercaseText([0, 171]) == "00AB")
        #expect(Hex.text(UInt32(0xabc)) == "00000abc")
        #expect(Hex.bytes("00aBff") == [0, 0xab, 0xff])
        for text in ["0", "0g", "+1", "0 ", "０１"] { #expect(Hex.bytes(text) == nil, "\(text)") }
        #expect(Hex.isLowercase("00ff", digits: 4))
        for text in ["00f", "00fff", "00FF", "00fg"] { #expect(!Hex.isLowercase(text, digits: 4), "\(text)") }
    }

    @Test("a query keeps its order, and every value of a name")
    func query() {
        let query = QueryString("file=a%20b&x&file=c+d&=%3d&y=1=2&file=")
        #expect(query.parameters.map(\.name) == ["file", "x", "file", "", "y", "file"])
        #expect(query.values("file") == ["a b", "c d", ""])
        #expect(query.values("y") == ["1=2"])
        #expect(query.sortedText == "=%3D&file=a+b&file=c+d&file=&x=&y=1%3D2")
    }

    @Test("a strict escape is all or nothing")
    func strictEscape() {
        #expect(PercentCoding.decode("%5B::1%5d") == "[::1]")
        for text in ["%", "%4", "%zz", "a%4g", "%ff"] { #expect(PercentCoding.decode(text) == nil, "\(text)") }
    }

    @Test("a log's time is local, with milliseconds; RFC 3339 is read back")
    func times() throws {
        let date = Date(timeIntervalSince1970: 951_782_400.0625)
        #expect(LogTime.text(date).hasSuffix(".062"))
        #expect(try #require(RFC3339.date(RFC3339.text(date))) == date)
        #expect(RFC3339.dayText(date) == "2000-02-29")
        #expect(RFC3339.date("yesterday") == nil)
    }

    @Test("labels are held to their limits, in NodePass's words")
    func labels() {
        var labels = TunnelLabels()
        labels.peer.sid = String(repeating: "ü", count: 129)
        #expect(throws: LabelProblem.self) { try labels.check() }
        labels.peer.sid = String(repeating: "ü", count: 128)
        labels.tags = Dictionary(uniqueKeysWithValues: (0..<65).map { ("t\($0)", "") })
        #expect(throws: LabelProblem.self) { try labels.check() }
        labels.tags["t0"] = nil
        #expect(throws: Never.self) { try labels.check() }
    }

    @Test(
        "the first JSON value counts and what follows it does not",
        arguments: [
            (#" {"a":[1,-2.5,true,null]} rest"#, #"{"a":[1,-2.5,true,null]}"#),
            (#""\u00e9\ud83d\ude00\ud83d\n""#, "\"é😀\u{fffd}\\n\""),
            ("9223372036854775807", "9223372036854775807"),
            ("{}", "{}"),
        ]
    )
    func json(_ text: String, _ compact: String) throws {
        #expect(try JSONParser.parse(Array(text.utf8)).compactText == compact)
    }

    @Test(
        "what is not JSON is refused",
        arguments: [
            "", "{", "[1,]", #"{"a" 1}"#, "tru", "01x", "\"\u{1}\"", #""\x""#, "-", "1e999",
            String(repeating: "[", count: 10_000),
        ]
    )
    func badJSON(_ text: String) {
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse(Array(text.utf8)) }
    }

    @Test(
        "times are RFC 3339 in UTC with trimmed fractions",
        arguments: [
            (0.0, "1970-01-01T00:00:00Z"), (951_782_400.5, "2000-02-29T00:00:00.5Z"),
            (1_795_480_948.25, "2026-11-24T00:42:28.25Z"), (-1.0, "1969-12-31T23:59:59Z"),
            (4_107_542_399.0, "2100-02-28T23:59:59Z"),
        ]
    )
    func time(_ seconds: Double, _ text: String) {
        #expect(RFC3339.text(Date(timeIntervalSince1970: seconds)) == text)
    }

    @Test(
        "form decoding leaves alone what is not an escape",
        arguments: [
            ("a+b%20c", "a b c"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("%5B::1%5D", "[::1]"), ("", ""),
        ]
    )
    func form(_ text: String, _ decoded: String) {
        #expect(PercentCoding.decodeForm(text) == decoded)
    }

    static let dates: [(Double, String)] = [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (1_772_366_400, "Sun, 01 Mar 2026 12:00:00 GMT"),
        (1_795_465_711, "Mon, 23 Nov 2026 20:28:31 GMT"),
        (1_795_465_711.999, "Mon, 23 Nov 2026 20:28:31 GMT"),
        (1_835_395_199.75, "Mon, 28 Feb 2028 23:59:59 GMT"),
        (1_835_395_200, "Tue, 29 Feb 2028 00:00:00 GMT"),
        (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 GMT"),
    ]

    @Test("a date is written as HTTP wants it", arguments: dates)
    func httpDate(_ seconds: Double, _ text: String) {
        #expect(HTTPDate.text(Date(timeIntervalSince1970: seconds)) == text)
    }

    @Test("events are cut from a stream however it is torn")
    func parser() throws {
        let text = ": ping\n\nretry: 3000\n\nevent: log\nid: 7\ndata: a\ndata:b: c\n\ndata: ü\n\nevent: half\n"
        let expected = [
            ServerSentEvent(name: "log", id: "7", data: "a\nb: c"), ServerSentEvent(data: "ü"),
        ]
        let bytes = Array(text.utf8)
        for size in 1...bytes.count {
            var parser = ServerSentEventParser()
            let pieces = stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
            let events = try pieces.flatMap { try parser.take($0) }
            #expect(events == expected)
        }
    }

    @Test("a block without an end is not read for ever")
    func endless() throws {
        var parser = ServerSentEventParser()
        let piece = Array(repeating: UInt8(ascii: "x"), count: ServerSentEventParser.blockLimitBytes)
        #expect(try parser.take(piece).isEmpty)
        #expect(throws: ServerSentEventParser.TooLong.self) { try parser.take([UInt8(ascii: "x")]) }
    }
}
