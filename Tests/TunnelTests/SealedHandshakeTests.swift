import Crypto
import TestSupport
import Testing

@testable import Tunnel

@Suite("The sealed handshake")
struct SealedHandshakeTests {
    private static let channel = SealedHandshake.Channel(
        requestHead: Array("GET / HTTP/1.1\r\n\r\n".utf8),
        replyHead: Array("HTTP/1.1 101 Switching Protocols\r\n\r\n".utf8),
        clientNonce: Array(0..<16),
        serverNonce: Array(16..<32),
        certificateDigest: Array(repeating: 7, count: 32)
    )
    private static let request = SealedRequest(clientID: "one", extensions: [.refuse])

    /// Every message of one run, each passed through `between` on its way.
    private static func run(
        client: (key: String, channel: SealedHandshake.Channel) = ("secret", channel),
        server: (key: String, channel: SealedHandshake.Channel) = ("secret", channel),
        between: (Int, [UInt8]) -> [UInt8] = { $1 }
    ) throws -> (request: SealedRequest, keys: (client: SymmetricKey, server: SymmetricKey)) {
        let one = try SealedClient(key: client.key, channel: client.channel)
        let other = try SealedServer(key: server.key, channel: server.channel, hello: between(0, one.hello))
        let answer = try one.prove(between(1, other.proof), request: request)
        let asked = try other.request(between(2, answer.message))
        return (asked.request, (answer.secrets.sessionKey, asked.secrets.sessionKey))
    }

    @Test(
        "two ends with one key prove it to each other and share a fresh secret",
        arguments: ["secret", "", "密钥", "k"]
    )
    func agreement(_ key: String) throws {
        let first = try Self.run(client: (key, Self.channel), server: (key, Self.channel))
        #expect(first.request == Self.request)
        #expect(first.keys.client == first.keys.server)
        let second = try Self.run(client: (key, Self.channel), server: (key, Self.channel))
        #expect(first.keys.client != second.keys.client)
    }

    @Test("with another key nothing is proven, and the client sends nothing after the server's proof")
    func otherKey() {
        #expect(throws: SealedHandshake.Problem.notProven) { try Self.run(server: ("Secret", Self.channel)) }
    }

    @Test("whatever the ends see differently of their channel, nothing is proven")
    func otherChannel() {
        let fields: [WritableKeyPath<SealedHandshake.Channel, [UInt8]>] = [
            \.requestHead, \.replyHead, \.clientNonce, \.serverNonce, \.certificateDigest,
        ]
        for field in fields {
            for index in Self.channel[keyPath: field].indices {
                var other = Self.channel
                other[keyPath: field][index] ^= 1
                #expect(throws: SealedHandshake.Problem.notProven) { try Self.run(server: ("secret", other)) }
            }
        }
    }

    @Test("any bit that is changed in any message is noticed")
    func flippedBits() throws {
        var lengths = [0, 0, 0]
        _ = try Self.run { number, message in
            lengths[number] = message.count
            return message
        }
        #expect(lengths[0] == 32 && lengths[1] == 64 && lengths[2] > 32)
        for (number, length) in lengths.enumerated() {
            for position in 0..<length {
                let bit = UInt8(1) << UInt8(position % 8)
                #expect(throws: SealedHandshake.Problem.self, "message \(number), byte \(position)") {
                    try Self.run { at, message in
                        var message = message
                        if at == number { message[position] ^= bit }
                        return message
                    }
                }
            }
        }
    }

    @Test("messages of one run are worth nothing in another")
    func replay() throws {
        var recorded: [[UInt8]] = [[], [], []]
        _ = try Self.run { number, message in
            recorded[number] = message
            return message
        }
        for number in 0..<3 {
            #expect(throws: SealedHandshake.Problem.self, "message \(number)") {
                try Self.run { at, message in at == number ? recorded[at] : message }
            }
        }
    }

    @Test("a share that would make the secret public is refused by either end")
    func lowOrder() {
        let low = [UInt8](repeating: 0, count: 32)
        for number in 0..<2 {
            #expect(throws: SealedHandshake.Problem.malformed("the peer's share is a point of low order")) {
                try Self.run { at, message in at == number ? low + message.dropFirst(32) : message }
            }
        }
    }

    @Test("messages of any other length or content are refused without harm", arguments: 0..<200)
    func garbage(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let number = Int.random(in: 0..<3, using: &random)
        let length = Int.random(in: 0..<300, using: &random)
        let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
        #expect(throws: SealedHandshake.Problem.self) { try Self.run { at, message in at == number ? bytes : message } }
    }

    // MARK: Frames

    @Test("a message that comes byte by byte is whole with its last byte")
    func frames() throws {
        for message in [[], [1], Array(repeating: 9, count: SealedHandshake.messageLimitBytes)] as [[UInt8]] {
            var frames = SealedFrames()
            let wire = SealedFrames.encode(message)
            for byte in wire.dropLast() { #expect(try frames.append([byte]) == nil) }
            #expect(try frames.append(wire.suffix(1)) == message)
        }
    }

    @Test("a message past the limit, or bytes behind one, are refused before they are kept")
    func frameLimits() {
        var frames = SealedFrames()
        #expect(throws: SealedHandshake.Problem.malformed("a message of 8193 bytes")) { try frames.append([0x20, 1]) }
        var others = SealedFrames()
        #expect(throws: SealedHandshake.Problem.malformed("bytes behind a message")) {
            try others.append([0, 1, 5, 6])
        }
    }
}
