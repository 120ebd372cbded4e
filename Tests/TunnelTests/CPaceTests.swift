import Crypto
import Testing

@testable import Tunnel

/// Vectors: draft-irtf-cfrg-cpace-21, appendix B.1 (X25519, SHA-512).
@Suite("CPace, the key exchange of the sealed handshake")
struct CPaceTests {
    private let key = Array("Password".utf8)
    private let channel = Array("\u{0b}A_initiator\u{0b}B_responder".utf8)
    private let sessionID = hex("7e4b4791d6a8ef019b936c79fb7f2c57")

    private static func hex(_ text: String) -> [UInt8] {
        let digits = text.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    private func side(_ scalar: String) throws -> CPace {
        let scalar = try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: Self.hex(scalar))
        return try CPace(key: key, channel: channel, sessionID: sessionID, scalar: scalar)
    }

    @Test("the generator is the draft's")
    func generator() {
        let text = CPace.generatorText(key: key, channel: channel, sessionID: sessionID)
        #expect(text.count == 170)
        #expect(
            Array(SHA512.hash(data: text).prefix(32))
                == Self.hex("03998087bdb1a2617bbe25ef5a7c18cd4f84f902328701790958755ee4aed1d3")
        )
        #expect(
            CPace.generator(key: key, channel: channel, sessionID: sessionID)
                == Self.hex("d04bf6d41f6a289632a2e929fa29bebd51092512a7829fdde7d314b62f05a73f")
        )
    }

    @Test("both sides send the draft's shares and come to the draft's secret")
    func exchange() throws {
        let a = try side("21b4f4bd9e64ed355c3eb676a28ebedaf6d8f17bdc365995b319097153044080")
        let b = try side("848b0779ff415f0af4ea14df9dd1d3c29ac41d836c7808896c4eba19c51ac40a")
        #expect(a.share == Self.hex("1d13c89278cdadd826f6d8d7f887701430f8380ddc17611cdd6dc989ce0c9f32"))
        #expect(b.share == Self.hex("248cccf6d5cdc3646f0ad593f9e6cef4e69d4945f8372e623512ecea32185623"))
        let (dataA, dataB) = (Array("ADa".utf8), Array("ADb".utf8))
        let expected = Self.hex(
            "6e19b875f7a561d6b3ca3dbb9ef42ac55de3e717881018204b8922b4d5e53bb2"
                + "aa82c300bea7b65d2b671da71922ddf6472301b79bc270adfa8bf413285f2263"
        )
        #expect(try a.secret(peer: b.share, isInitiator: true, dataA: dataA, dataB: dataB) == expected)
        #expect(try b.secret(peer: a.share, isInitiator: false, dataA: dataA, dataB: dataB) == expected)
    }

    @Test(
        "points of low order are refused",
        arguments: [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ]
    )
    func lowOrder(_ point: String) throws {
        let a = try CPace(key: key, channel: channel, sessionID: sessionID)
        #expect(throws: (any Error).self) { try a.secret(peer: Self.hex(point), isInitiator: true) }
    }

    @Test("with another key, channel or session id the secrets differ")
    func differences() throws {
        let a = try CPace(key: key, channel: channel, sessionID: sessionID)
        for (key, channel, sessionID) in [
            (key + [0], channel, sessionID), (key, channel + [0], sessionID), (key, channel, sessionID + [0]),
        ] {
            let b = try CPace(key: key, channel: channel, sessionID: sessionID)
            let secrets = (
                try a.secret(peer: b.share, isInitiator: true), try b.secret(peer: a.share, isInitiator: false)
            )
            #expect(secrets.0 != secrets.1)
        }
    }
}

@Suite("The field of Curve25519")
struct FieldElement25519Tests {
    /// The prime less `n`.
    private func fromTop(_ n: UInt8) -> [UInt8] { [0xed - n] + Array(repeating: 0xff, count: 30) + [0x7f] }
    private let one: [UInt8] = [1] + Array(repeating: 0, count: 31)
    private let zero = [UInt8](repeating: 0, count: 32)

    @Test("values at the edges are reduced")
    func edges() {
        #expect(FieldElement25519(fromTop(0)).bytes == zero)
        #expect(FieldElement25519(fromTop(1)).bytes == fromTop(1))
        #expect((FieldElement25519(fromTop(1)) + FieldElement25519(1)).bytes == zero)
        #expect((FieldElement25519(fromTop(1)) * FieldElement25519(fromTop(1))).bytes == one)
        #expect((-FieldElement25519(1)).bytes == fromTop(1))
        #expect((-FieldElement25519(zero)).bytes == zero)
        #expect(FieldElement25519(Array(repeating: 0xff, count: 32)).bytes == [18] + zero.dropFirst())
        #expect(FieldElement25519(zero).inverse.bytes == zero)
    }

    @Test("the laws of a field hold", arguments: 0..<50)
    func laws(_ seed: UInt8) {
        func element(_ label: UInt8) -> FieldElement25519 {
            FieldElement25519(Array(SHA256.hash(data: [seed, label])))
        }
        let (a, b, c) = (element(1), element(2), element(3))
        #expect((a * b).bytes == (b * a).bytes)
        #expect((a * (b * c)).bytes == (a * b * c).bytes)
        #expect((a * (b + c)).bytes == (a * b + a * c).bytes)
        #expect((a + -a).bytes == zero)
        #expect((a * a.inverse).bytes == one)
        #expect(FieldElement25519(a.bytes).bytes == a.bytes)
    }
}
