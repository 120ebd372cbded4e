import Testing

@testable import Config

@Suite("The keys handshake and tls of the two ends")
struct HandshakeKeyTests {
    private static let key = "9f86d081884c7d659a2feaa0c55ad015"

    private func lines(_ role: String, _ keys: String) -> [String] {
        let text = """
            version: 1
            tunnels:
              t: {role: \(role), mode: \(role == "server" ? "reverse" : "dual"), tunnel: '192.0.2.1:10101', target: 'a:8001'}
            defaults: {key: \(Self.key), \(keys)}
            """
        return ManifestReader.test().read(text: text, file: "m.yaml").lines
    }

    private func spec(_ role: TunnelRole, _ keys: String) -> TunnelSpec? {
        let mode = role == .server ? "reverse" : "dual"
        let text = """
            version: 1
            tunnels:
              t: {role: \(role), mode: \(mode), tunnel: '192.0.2.1:10101', target: 'a:8001', key: \(Self.key), \(keys)}
            """
        return ManifestReader.test().read(text: text, file: "m.yaml").manifest?.tunnels.first?.spec
    }

    @Test("a URL without the parameter is auto, and a word that is not one of the three is refused")
    func parameter() throws {
        #expect(try TunnelURL.parse("client://h:1/t:2?mode=2").spec.handshake == .auto)
        for policy in HandshakePolicy.allCases {
            let url = "client://\(Self.key)@h:1/t:2?handshake=\(policy)&mode=2"
            let spec = try TunnelURL.parse(url).spec
            #expect(spec.handshake == policy)
            #expect(spec.url == (policy == .auto ? "client://\(Self.key)@h:1/t:2?mode=2" : url))
        }
        #expect(throws: TunnelURLError.self) { try TunnelURL.parse("client://h:1/t:2?handshake=seald&mode=2") }
    }

    @Test("a client's tls is the least it accepts: verified needs no files, and its URL is tls=2")
    func least() throws {
        #expect(spec(.client, "tls: verified")?.tls == .verified)
        #expect(spec(.client, "tls: self-signed")?.tls == .selfSigned)
        #expect(spec(.client, "tls: {certificate: /c, key: /k}") == nil)
        #expect(spec(.server, "tls: verified") == nil)
        #expect(spec(.client, "tls: verified")?.url.contains("tls=2") == true)
        #expect(try TunnelURL.parse("client://h:1/t:2?mode=2&tls=2").spec.tls == .verified)
        #expect(try TunnelURL.parse("client://h:1/t:2?mode=2&tls=2").diagnostics.isEmpty)
        #expect(try TunnelURL.parse("server://h:1/t:2?tls=2").spec.tls == .filesMissing)
    }

    @Test("a default of tls that one role cannot have applies to the other")
    func defaults() {
        #expect(lines("client", "tls: {certificate: /c, key: /k}").isEmpty)
        #expect(lines("server", "tls: verified").isEmpty)
    }

    @Test("what v1.14's handshake costs is said where a tunnel asks for it")
    func cost() {
        #expect(lines("server", "handshake: compatible") == ["4:51 warning compatible-handshake tunnels.t.handshake"])
        #expect(lines("server", "handshake: sealed").isEmpty)
    }

    @Test(
        "a client and a server of one manifest that cannot agree are found",
        arguments: [
            ("handshake: sealed", "handshake: compatible", "handshake"), ("tls: self-signed", "tls: verified", "tls"),
            ("tls: off", "tls: self-signed", "tls"), ("tls: self-signed", "tls: self-signed", ""),
            ("handshake: sealed", "handshake: auto", ""),
        ]
    )
    func pairs(server: String, client: String, path: String) {
        let text = """
            version: 1
            defaults: {key: \(Self.key)}
            tunnels:
              s: {role: server, mode: forward, tunnel: '127.0.0.1:10101', target: '192.0.2.1:1', \(server)}
              c: {role: client, mode: dual, tunnel: '127.0.0.1:10101', target: '127.0.0.1:2', \(client)}
            """
        let found = ManifestReader.test().read(text: text, file: "m.yaml").lines.filter { $0.contains("pair-mismatch") }
        #expect(found.count == (path.isEmpty ? 0 : 1))
        #expect(found.allSatisfy { $0.hasSuffix("pair-mismatch tunnels.c.\(path)") }, "\(found)")
    }
}
