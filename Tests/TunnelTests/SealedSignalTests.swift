import Config
import FoundationEssentials
import NIOCore
import Testing

@testable import Tunnel

@Suite("Sealed signals between two of ours")
struct SealedSignalTests {
    private let nonce = [UInt8](0..<16)
    private var client: SignalCodec
    private var server: SignalCodec

    static let signals: [Signal] = [
        .ping, .pong, .flush, SignalTests.tcp, SignalTests.udp, .trim(count: 3),
        .certificate(fingerprint: "sha256:AB"),
        .verify(id: LinkID(1), fingerprint: SignalTests.fingerprint), .refuse(id: LinkID(2), why: "no route"), .ping,
    ]

    init() {
        let secret = SessionSecret(tunnelKey: "secret", nonce: nonce)
        client = SignalCodec(secret: secret, writer: .client)
        server = SignalCodec(secret: secret, writer: .server)
    }

    @Test("each end reads what the other writes, in step")
    mutating func bothWays() throws {
        for signal in Self.signals {
            #expect(try server.decode(line(signal, from: &client)) == signal)
            #expect(try client.decode(line(signal, from: &server)) == signal)
            #expect(try client.decode(line(.pong, from: &server)) == .pong)
        }
    }

    @Test("no line shows what it says, and none is like another")
    mutating func nothingShows() throws {
        let hints = ["action", "ping", "tcp", "remote", "127.0.0.1", "26bbd201", "sha256", "secret"]
        var seen = Set<[UInt8]>()
        for signal in Self.signals + Self.signals {
            let bytes = line(signal, from: &client)
            let inside = try #require(Data(base64Encoded: Data(bytes)))
            let text = String(decoding: inside, as: UTF8.self)
            #expect(!hints.contains { text.contains($0) })
            #expect(seen.insert(bytes).inserted)
        }
        var hidden = SignalCodec(tunnelKey: "secret")
        for bytes in seen { #expect(throws: SignalCodec.BadLine.notASignal) { try hidden.decode(bytes) } }
    }

    @Test("no bit of a line can be changed, and no byte of it left out")
    mutating func tampered() throws {
        let whole = line(SignalTests.tcp, from: &client)
        let sealed = try #require(Data(base64Encoded: Data(whole)))
        for bit in 0..<(sealed.count * 8) {
            var changed = sealed
            changed[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: SignalCodec.BadLine.forged, "bit \(bit)") {
                try server.decode(Array(changed.base64EncodedData()))
            }
        }
        for length in 1..<sealed.count {
            #expect(throws: SignalCodec.BadLine.forged, "\(length) bytes") {
                try server.decode(Array(sealed.prefix(length).base64EncodedData()))
            }
        }
        #expect(try server.decode(whole) == SignalTests.tcp)
    }

    @Test("what is no sealed line is forged", arguments: ["AA==", "AAAA", "CEcCEREdHAtBSEcEGgsEUBg="])
    mutating func short(_ text: String) {
        #expect(throws: SignalCodec.BadLine.forged) { try server.decode(Array(text.utf8)) }
    }

    @Test("a line opens once")
    mutating func replayed() throws {
        let first = line(.ping, from: &client)
        #expect(try server.decode(first) == .ping)
        #expect(throws: SignalCodec.BadLine.forged) { try server.decode(first) }
        #expect(try server.decode(line(.pong, from: &client)) == .pong)
        #expect(throws: SignalCodec.BadLine.forged) { try server.decode(first) }
    }

    @Test("a line that was left out is noticed with the next")
    mutating func skipped() {
        _ = line(.ping, from: &client)
        let second = line(.flush, from: &client)
        #expect(throws: SignalCodec.BadLine.forged) { try server.decode(second) }
    }

    @Test("two lines can not change places")
    mutating func reordered() throws {
        let first = line(.ping, from: &client)
        let second = line(.flush, from: &client)
        #expect(throws: SignalCodec.BadLine.forged) { try server.decode(second) }
        #expect(try server.decode(first) == .ping)
        #expect(try server.decode(second) == .flush)
    }

    @Test("an end can not be shown its own lines")
    mutating func reflected() {
        let own = line(.ping, from: &client)
        #expect(throws: SignalCodec.BadLine.forged) { try client.decode(own) }
    }

    static let strangers: [(String, [UInt8])] = [
        ("Secret", [UInt8](0..<16)),
        ("secret", [UInt8](1..<17)),
        ("secret", []),
        ("", [UInt8](0..<16)),
    ]

    @Test("another key or another session's nonce opens nothing", arguments: strangers)
    mutating func stranger(_ key: String, _ nonce: [UInt8]) {
        var stranger = SignalCodec(secret: SessionSecret(tunnelKey: key, nonce: nonce), writer: .server)
        let sealed = line(.ping, from: &client)
        #expect(throws: SignalCodec.BadLine.forged) { try stranger.decode(sealed) }
    }

    @Test("an unknown action is still to be ignored, and not base64 is told from forged")
    mutating func tolerance() throws {
        #expect(try server.decode(line(.unknown(action: "teleport"), from: &client)) == .unknown(action: "teleport"))
        #expect(throws: SignalCodec.BadLine.notBase64) { try server.decode(Array("!".utf8)) }
        #expect(try server.decode(line(.ping, from: &client)) == .ping)
    }

    private func line(_ signal: Signal, from codec: inout SignalCodec) -> [UInt8] {
        Array(codec.encode(signal).readableBytesView.dropLast())
    }
}
