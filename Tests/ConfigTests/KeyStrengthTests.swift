import TestSupport
import Testing

@testable import Config

@Suite("The strength of a tunnel's key")
struct KeyStrengthTests {
    @Test(
        "words, names, steps and repetitions are weak, however long they look",
        arguments: [
            "", "k", "secret", "change-me", "password123", "correct-horse-battery", "12345678901234567890",
            "abcdefghijklmnopqrstuvwxyz", String(repeating: "aB3$", count: 16), "2c4f9b8a", "MyTunnel2026",
        ]
    )
    func weak(_ key: String) {
        #expect(KeyStrength.bits(of: key) < KeyStrength.leastBits, "\(KeyStrength.bits(of: key))")
    }

    @Test(
        "what random generators print is strong",
        arguments: [
            "9f86d081884c7d659a2feaa0c55ad015", "0B9yqp2mXh4vTz7R", "E5rJ-x0qTn8_LdVw2kPbYs", "3q2-7wOFkR9zXw6mT1",
        ]
    )
    func strong(_ key: String) {
        #expect(KeyStrength.bits(of: key) >= KeyStrength.leastBits, "\(KeyStrength.bits(of: key))")
    }

    @Test("a generated key is strong, new each time, and needs no escaping in a URL")
    func generated() throws {
        var random = SeededRandom(seed: 7)
        var seen = Set<String>()
        for _ in 0..<500 {
            let key = KeyStrength.generate(using: &random)
            #expect(key.utf8.count == 27 && KeyStrength.bits(of: key) >= 128)
            #expect(seen.insert(key).inserted)
            let url = "server://\(key)@127.0.0.1:10101/127.0.0.1:8080?handshake=sealed"
            let spec = try TunnelURL.parse(url).spec
            #expect(spec.key?.value == key && spec.url == url)
        }
    }

    // MARK: Where it matters

    private func lines(_ keys: String) -> [String] {
        let text = "version: 1\ntunnels:\n  t: {role: server, tunnel: '0.0.0.0:10101', target: 'a:1', \(keys)}\n"
        return ManifestReader.test().read(text: text, file: "m.yaml").lines
    }

    @Test("a weak key is a warning, and an error with handshake: sealed, as is none")
    func manifest() {
        #expect(lines("key: change-me") == ["3:61 warning weak-key tunnels.t.key"])
        #expect(lines("key: change-me, handshake: sealed") == ["3:61 error weak-key tunnels.t.key"])
        #expect(lines("key: 9f86d081884c7d659a2feaa0c55ad015, handshake: sealed").isEmpty)
        #expect(lines("log: info") == ["3:3 warning no-key tunnels.t.key"])
        #expect(lines("handshake: sealed") == ["3:3 error no-key tunnels.t.key"])
    }

    @Test("a tunnel with an error of its key is not one of the manifest's")
    func rejected() {
        let text = """
            version: 1
            tunnels:
              weak: {role: server, tunnel: '0.0.0.0:1001', target: 'a:1', key: change-me, handshake: sealed}
              good: {role: client, mode: single, tunnel: '0.0.0.0:1002', target: 'a:1'}
            """
        let reading = ManifestReader.test().read(text: text, file: "m.yaml")
        #expect(reading.manifest?.tunnels.map(\.name) ?? ["good"] == ["good"])
        #expect(reading.invalid["weak"] != nil || reading.manifest == nil)
    }

    @Test("a URL that asks for the sealed handshake with a weak key is refused; others keep their keys")
    func url() throws {
        #expect(throws: TunnelURLError.self) { try TunnelURL.parse("server://secret@h:1/t:2?handshake=sealed") }
        #expect(throws: TunnelURLError.self) { try TunnelURL.parse("server://h:1/t:2?handshake=sealed") }
        #expect(try TunnelURL.parse("server://secret@h:1/t:2").diagnostics.isEmpty)
    }
}
