import Crypto
import TestSupport
import Testing

@testable import Tunnel

@Suite("Links prove that their client has the tunnel's key")
struct LinkProofTests {
    private let secret = SessionSecret(tunnelKey: "secret", nonce: [UInt8](0..<16))

    static let numbers: [UInt64] = [0, 1, 255, 256, 0x0102_0304_0506_0708, .max]

    @Test("a link's proof of another certificate is refused, in a sealed session only")
    func certificates() {
        let sealed = SessionSecret(sealed: SymmetricKey(size: .bits256))
        for (seen, own) in [("sha256:AA", "sha256:AA"), ("sha256:AA", "sha256:AB"), ("sha256:AA", nil), (nil, nil)] {
            let proof = LinkProof(number: 1, secret: sealed, fingerprint: seen)
            #expect(proof.isMade(with: sealed, fingerprint: own) == (seen == own))
            let plain = LinkProof(number: 1, secret: secret, fingerprint: seen)
            #expect(plain.isMade(with: secret, fingerprint: own))
        }
    }

    @Test("a proof is a version, its number and a code, and is read back", arguments: numbers)
    func roundTrip(_ number: UInt64) throws {
        let proof = LinkProof(number: number, secret: secret)
        #expect(proof.bytes.count == LinkProof.lengthBytes && proof.bytes.count == 25)
        #expect(proof.bytes[0] == 2)
        #expect(proof.bytes[1..<9].elementsEqual((0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }))
        let read = try #require(LinkProof(proof.bytes))
        #expect(read == proof)
        #expect(read.isMade(with: secret))
    }

    static let strangers: [(String, [UInt8])] = [
        ("Secret", [UInt8](0..<16)), ("", [UInt8](0..<16)), ("secret", [UInt8](1..<17)), ("secret", []),
    ]

    @Test("another key or another session's nonce proves nothing", arguments: strangers)
    func wrongSecret(_ key: String, _ nonce: [UInt8]) {
        let stranger = SessionSecret(tunnelKey: key, nonce: nonce)
        for number in Self.numbers {
            #expect(!LinkProof(number: number, secret: stranger).isMade(with: secret))
            #expect(!LinkProof(number: number, secret: secret).isMade(with: stranger))
        }
    }

    @Test("the code of one number is none for another")
    func wrongNumber() throws {
        let proof = LinkProof(number: 1, secret: secret)
        for position in 1..<9 {
            var bytes = proof.bytes
            bytes[position] ^= 0x80
            let moved = try #require(LinkProof(bytes))
            #expect(moved.number != proof.number)
            #expect(!moved.isMade(with: secret))
        }
    }

    @Test("no bit of the code may differ")
    func wrongCode() throws {
        let proof = LinkProof(number: 7, secret: secret)
        for position in 9..<25 {
            for bit in 0..<8 {
                var bytes = proof.bytes
                bytes[position] ^= 1 << bit
                #expect(try !#require(LinkProof(bytes)).isMade(with: secret))
            }
        }
    }

    @Test("bytes of another length or version are no proof")
    func malformed() {
        let bytes = LinkProof(number: 1, secret: secret).bytes
        for other in [[], Array(bytes.dropLast()), bytes + [0], [1] + bytes.dropFirst(), [0x16] + bytes.dropFirst()] {
            #expect(LinkProof(other) == nil)
        }
    }

    @Test("a proof does not give away the key of the signals")
    func labels() {
        let keys = [secret.signalKey(from: .client), secret.signalKey(from: .server)]
        #expect(keys[0] != keys[1])
        #expect(SessionSecret.makeNonce() != SessionSecret.makeNonce())
    }

    // MARK: Window

    @Test("each number is admitted once", arguments: numbers)
    func once(_ number: UInt64) {
        var window = LinkProofWindow()
        #expect(window.admit(number) == true)
        #expect(window.admit(number) == false)
    }

    @Test("numbers come in any order within the width, each once")
    func anyOrder() {
        var random = SeededRandom(seed: 3)
        let numbers = (1...LinkProofWindow.width).shuffled(using: &random)
        var window = LinkProofWindow()
        #expect(numbers.allSatisfy { window.admit($0) })
        #expect(!numbers.contains { window.admit($0) })
    }

    static let edges: [UInt64] = [LinkProofWindow.width, 1_000_000, .max - 1, .max]

    @Test("a number is too old a width behind the highest, and not before", arguments: edges)
    func old(_ highest: UInt64) {
        var window = LinkProofWindow()
        #expect(window.admit(highest) == true)
        #expect(window.admit(highest - LinkProofWindow.width) == false)
        #expect(window.admit(highest - LinkProofWindow.width + 1) == true)
        #expect(window.admit(highest - LinkProofWindow.width + 1) == false)
        #expect(window.admit(0) == false)
    }

    @Test("what it once admitted stays used, however long it goes on")
    func longRun() {
        var window = LinkProofWindow()
        let numbers = 0..<(LinkProofWindow.width * 4)
        #expect(numbers.allSatisfy { window.admit($0) })
        #expect(!numbers.contains { window.admit($0) })
        #expect(window.admit(numbers.upperBound) == true)
    }
}
