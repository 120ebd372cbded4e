import Config
import NIOCore
import Testing

@testable import Tunnel

@Suite("Signals as NodePass v1.14 writes them")
struct SignalTests {
    struct Vector: Sendable, CustomTestStringConvertible {
        let key: String
        let signal: Signal
        let json: String
        /// Without its line feed.
        let line: String
        var testDescription: String { "\(key): \(json)" }

        init(_ signal: Signal, _ json: String, _ line: String, key: String = "secret") {
            self.key = key
            self.signal = signal
            self.json = json
            self.line = line
        }
    }

    static let fingerprint =
        "sha256:BF:61:79:B9:EA:63:B9:DA:42:4E:CF:CA:FB:CB:05:6A:15:A2:13:BF:13:14:26:1F:B3:38:1B:2E:3F:A6:CA:36"
    static let ping = #"{"action":"ping"}"#
    static let tcp: Signal = .open(.tcp, id: LinkID(0x26bb_d201), user: "127.0.0.1:34136")
    static let udp: Signal = .open(.udp, id: LinkID(0xe95f_d9ac), user: "127.0.0.1:50753")

    static let vectors: [Vector] = [
        Vector(.ping, ping, "CEcCEREdHAtBSEcEGgsEUBg="),
        Vector(.pong, #"{"action":"pong"}"#, "CEcCEREdHAtBSEcEHAsEUBg="),
        Vector(.flush, #"{"action":"flush"}"#, "CEcCEREdHAtBSEcSHxAQGkcJ"),
        Vector(
            tcp,
            #"{"action":"tcp","remote":"127.0.0.1:34136","id":"26bbd201"}"#,
            "CEcCEREdHAtBSEcAEBVBXkcGFggMBgBWSUdSQFJaQ0tTXFROQFFSQVNWX0cKFkdOUVdVEAcQQVVSUBg="
        ),
        Vector(
            udp,
            #"{"action":"udp","remote":"127.0.0.1:50753","id":"e95fd9ac"}"#,
            "CEcCEREdHAtBSEcBFxVBXkcGFggMBgBWSUdSQFJaQ0tTXFRORlVUR1ZWX0cKFkdOUQBaRwMQSgQAUBg="
        ),
        Vector(
            .open(.tcp, id: LinkID(0x1a2b_3c4d), user: "192.0.2.10:54321"),
            #"{"action":"tcp","remote":"192.0.2.10:54321","id":"1a2b3c4d"}"#,
            "CEcCEREdHAtBSEcAEBVBXkcGFggMBgBWSUdSS1daQ0tRXFRESVBXQVdFUUlBGwFWSUdSE1cWQAZXFkcJ"
        ),
        Vector(
            .open(.udp, id: LinkID(0xdead_beef), user: "[2001:db8::1]:5353"),
            #"{"action":"udp","remote":"[2001:db8::1]:5353","id":"deadbeef"}"#,
            "CEcCEREdHAtBSEcBFxVBXkcGFggMBgBWSUc4QFVEQl8HEF1OSVQ+SFBHRlZBXkcdF0dZUAEREgEBFwASURg="
        ),
        Vector(
            .verify(id: LinkID(0x91d3_5e7c), fingerprint: fingerprint),
            #"{"action":"verify","id":"91d35e7c","fp":"\#(fingerprint)"}"#,
            "CEcCEREdHAtBSEcCFhcKFBxWX0cKFkdOUVxSFlZBFlIAUElWFRVBSEcHGwRRR1NOMSNZRFRORFxZMFxONiRZRFZOMVxZ"
                + "NiROR1dZRiBOMCNZMSRONSdZMSdOQ1BZRCROQlBZM1dOQlZZMCNOQlZZQ1FOQVNZQyNOMVZZQV1OQidZQCBOQCNZM1NO"
                + "MCRZQVNWDg=="
        ),
        Vector(.ping, ping, "HhRZARFbDVpHDBoSDFwFFhg=", key: "e68be2b4"),
        Vector(.ping, ping, "GkMAAhUIDg9DW0MRCA8GQxw=", key: "a"),
        Vector(.ping, ping, "C0NBEAcZDk5RSVIRSR0UUhw=", key: "pa ss"),
        Vector(.ping, ping, "no3niubMisGk07DVjMHhy+8=", key: "密钥"),
    ]

    @Test("every signal's line is NodePass's, both ways", arguments: vectors)
    func vector(_ vector: Vector) throws {
        #expect(vector.signal.json == vector.json)
        var codec = SignalCodec(tunnelKey: vector.key)
        #expect(String(buffer: codec.encode(vector.signal)) == vector.line + "\n")
        #expect(try codec.decode(Array(vector.line.utf8)) == vector.signal)
    }

    @Test("the captured control stream is read however the network cuts it", arguments: [1, 2, 3, 7, 25, 64, 4096])
    func capturedStream(_ size: Int) throws {
        let expected: [Signal] = [.pong, .ping, Self.tcp, Self.udp, .ping, .pong]
        let texts = expected.compactMap { signal in Self.vectors.first { $0.signal == signal }?.line }
        let bytes = Array(texts.map { $0 + "\n" }.joined().utf8)
        var codec = SignalCodec(tunnelKey: "secret")
        var lines = SignalLines()
        var signals: [Signal] = []
        for begin in stride(from: 0, to: bytes.count, by: size) {
            lines.append(ByteBuffer(bytes: bytes[begin..<min(begin + size, bytes.count)]))
            while let line = try lines.next() { signals.append(try codec.decode(line)) }
        }
        #expect(signals == expected)
    }

    static let readable: [(String, Signal)] = [
        (#"{"action":"ping","id":"zz","remote":"","x":{"y":[1]}}"#, .ping),
        (#" { "id" : "26bbd201" , "action" : "tcp" , "remote" : "127.0.0.1:34136" } "#, tcp),
        (#"{"action":"tcp","id":"26bbd201"}"#, .open(.tcp, id: LinkID(0x26bb_d201), user: "")),
        (#"{"action":"verify","id":"00000000"}"#, .verify(id: .control, fingerprint: nil)),
        (#"{"action":"verify","id":"0000000a","fp":""}"#, .verify(id: LinkID(10), fingerprint: nil)),
        (#"{"action":"refuse","id":"0000000a"}"#, .refuse(id: LinkID(10), why: "")),
        (
            #"{"action":"refuse","id":"0000000a","why":"a\u003cb\u003e \u0026 \"c\"\\\n\u2028é😀"}"#,
            .refuse(id: LinkID(10), why: "a<b> & \"c\"\\\n\u{2028}é😀")
        ),
        (#"{"action":"udp","id":"0000000a","remote":"\u005b::1]:5"}"#, .open(.udp, id: LinkID(10), user: "[::1]:5")),
        (#"{"action":"trim","count":7}"#, .trim(count: 7)),
        (#"{"action":"trim"}"#, .trim(count: 0)),
        (#"{"action":"certificate","fp":"sha256:AB"}"#, .certificate(fingerprint: "sha256:AB")),
        (#"{"action":"Ping"}"#, .unknown(action: "Ping")),
        (#"{"action":""}"#, .unknown(action: "")),
        (#"{"action":"teleport","id":"7","to":"mars"}"#, .unknown(action: "teleport")),
    ]

    @Test("members may come in any order, be left out or be unknown", arguments: readable)
    func members(_ json: String, _ signal: Signal) throws {
        var codec = SignalCodec(tunnelKey: "secret")
        #expect(try codec.decode(hidden(json)) == signal)
    }

    static let ours: [(Signal, String)] = [
        (
            .refuse(id: LinkID(10), why: "a<b> & \"c\"\\\n\u{2028}é"),
            #"{"action":"refuse","id":"0000000a","why":"a\u003cb\u003e \u0026 \"c\"\\\n\u2028é"}"#
        ),
        (.trim(count: 3), #"{"action":"trim","count":3}"#),
        (.certificate(fingerprint: "sha256:AB"), #"{"action":"certificate","fp":"sha256:AB"}"#),
        (.verify(id: LinkID(10), fingerprint: nil), #"{"action":"verify","id":"0000000a"}"#),
        (
            .open(.tcp, id: LinkID(.max), user: "<&>:1"),
            #"{"action":"tcp","remote":"\u003c\u0026\u003e:1","id":"ffffffff"}"#
        ),
    ]

    @Test("what is written escapes what Go escapes, and is read back", arguments: ours)
    func escaping(_ signal: Signal, _ json: String) throws {
        #expect(signal.json == json)
        var codec = SignalCodec(tunnelKey: "secret")
        var line = codec.encode(signal)
        let bytes = line.readBytes(length: line.readableBytes - 1)
        #expect(try codec.decode(bytes ?? []) == signal)
    }

    @Test(
        "a line that is JSON but no signal is skipped as such",
        arguments: [
            "", "x", "null", "[]", #""ping""#, "{}", #"{"action":7}"#, #"{"action":null}"#, #"{"action":"ping""#,
            #"{"action":"tcp","remote":"127.0.0.1:1"}"#, #"{"action":"tcp","id":""}"#, #"{"action":"tcp","id":5}"#,
            #"{"action":"udp","id":"26BBD201"}"#, #"{"action":"udp","id":"26bbd20"}"#,
            #"{"action":"udp","id":"+6bbd201"}"#,
            #"{"action":"tcp","id":"26bbd201","remote":5}"#, #"{"action":"verify","fp":"sha256:00"}"#,
            #"{"action":"refuse","why":"x"}"#, #"{"action":"trim","count":"7"}"#, #"{"action":"trim","count":1e99}"#,
            String(repeating: "[", count: 5000),
        ]
    )
    func notASignal(_ json: String) {
        var codec = SignalCodec(tunnelKey: "secret")
        let problem: SignalCodec.BadLine = json.isEmpty ? .notBase64 : .notASignal
        #expect(throws: problem) { try codec.decode(hidden(json)) }
    }

    @Test(
        "a line that is not base64 is skipped as such",
        arguments: ["", " ", "pin", "{\"action\":\"ping\"}", "CEcC!", "\u{0}"]
    )
    func notBase64(_ line: String) {
        var codec = SignalCodec(tunnelKey: "secret")
        #expect(throws: SignalCodec.BadLine.notBase64) { try codec.decode(Array(line.utf8)) }
        // It changes nothing for the next one.
        #expect((try? codec.decode(Array(Self.vectors[0].line.utf8))) == .ping)
    }

    @Test("another tunnel's key reads nothing", arguments: ["Secret", "secre", "e68be2b4"])
    func foreignKey(_ key: String) {
        var codec = SignalCodec(tunnelKey: key)
        #expect(throws: SignalCodec.BadLine.notASignal) { try codec.decode(Array(Self.vectors[0].line.utf8)) }
    }

    static let ids: [(String, UInt32?)] = [
        ("00000000", 0), ("0000000a", 10), ("26bbd201", 0x26bb_d201), ("ffffffff", .max), ("", nil), ("0", nil),
        ("26bbd20", nil), ("26bbd2011", nil), ("26BBD201", nil), ("26bbd20g", nil), ("-6bbd201", nil),
        ("+6bbd201", nil), ("２6bbd2", nil), (" 6bbd201", nil),
    ]

    @Test("a link's id is eight lower-case hex digits and nothing else", arguments: ids)
    func linkID(_ text: String, _ value: UInt32?) {
        #expect(LinkID(text)?.value == value)
        if let value { #expect(LinkID(value).description == text) }
    }

    /// The line of any JSON under key `secret`.
    private func hidden(_ json: String) -> [UInt8] {
        let key = Array("secret".utf8)
        let bytes = json.utf8.enumerated().map { $1 ^ key[$0 % key.count] }
        return Array(base64(bytes).utf8)
    }

    /// RFC 4648 §4, written out so that the codec is not its own judge.
    private func base64(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        return stride(from: 0, to: bytes.count, by: 3).map { begin in
            let group = bytes[begin..<min(begin + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            let digits = [18, 12, 6, 0].map { alphabet[bits >> $0 & 63] }
            return String(digits.prefix(group.count + 1)) + String(repeating: "=", count: 3 - group.count)
        }
        .joined()
    }
}
