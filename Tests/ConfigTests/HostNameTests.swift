import Config
import Testing

@Suite("Host names that are not ASCII")
struct HostNameTests {
    @Test(
        "a name is written in ASCII as browsers write it",
        arguments: [
            ("example.com", "example.com"), ("_sip.EXAMPLE.com.", "_sip.EXAMPLE.com."), ("", ""),
            ("bücher.test", "xn--bcher-kva.test"), ("BÜCHER.Test", "xn--bcher-kva.test"),
            ("bu\u{308}cher.test", "xn--bcher-kva.test"), ("bücher。test", "xn--bcher-kva.test"),
            ("ｂücher．ｔest.", "xn--bcher-kva.test."), ("straße.de", "xn--strae-oqa.de"),
            ("STRAẞE.de", "xn--strae-oqa.de"), ("βόλος.com", "xn--nxasmm1c.com"),
            ("münchen-ost.de", "xn--mnchen-ost-9db.de"), ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
            ("пример.испытание", "xn--e1afmkfd.xn--80akhbyknj4f"), ("مثال.إختبار", "xn--mgbh0fb.xn--kgbechtv"),
            ("☕.example", "xn--53h.example"), ("xn--bcher-kva.test", "xn--bcher-kva.test"),
            ("www.bücher.test", "www.xn--bcher-kva.test"),
        ]
    )
    func ascii(_ name: String, _ expected: String) throws {
        #expect(try HostName.ascii(name) == expected)
    }

    @Test(
        "a name that has no such form is rejected wherever a host stands",
        arguments: ["ﬁle.test", "①.test", "a\u{200b}ü.test", "\u{308}ü.test", "ü\u{202e}.test", "ü—x.test"]
    )
    func rejected(_ name: String) {
        #expect(throws: HostName.Problem.self) { try HostName.ascii(name) }
        #expect(throws: Endpoint.ParseError.self) { try Endpoint("\(name):80") }
    }

    @Test("labels and names beyond the limits of DNS are rejected")
    func long() {
        #expect(throws: HostName.Problem.self) { try HostName.ascii(String(repeating: "ü", count: 64) + ".test") }
        #expect(throws: HostName.Problem.self) {
            try HostName.ascii(Array(repeating: "bücherei", count: 20).joined(separator: "."))
        }
    }

    @Test("an endpoint keeps the name as it was written and knows the one to look up")
    func endpoint() throws {
        let endpoint = try Endpoint("bücher.test:80")
        #expect(endpoint.description == "bücher.test:80")
        #expect(endpoint.lookUpHost == "xn--bcher-kva.test")
        #expect(try Endpoint("[::1]:80").lookUpHost == "::1")
    }

    @Test("such a name survives in a manifest and in a URL, as target, as server and as sni")
    func places() throws {
        let text = """
            version: 1
            tunnels:
              web: {role: client, mode: dual, tunnel: "bücher.test:1000", target: "straße.de:80", sni: "bücher.test"}
            """
        let reading = ManifestReader.test().read(text: text, file: "m.yaml")
        #expect(!reading.hasErrors, "\(reading.diagnostics)")
        let spec = try #require(reading.manifest?.tunnels.first?.spec)
        #expect(spec.url.contains("bücher.test:1000/straße.de:80"))
        #expect(try TunnelURL.parse(spec.url).spec == spec)
        let bad = ManifestReader.test().read(text: text.replacing("straße", with: "ﬁle"), file: "m.yaml")
        #expect(bad.hasErrors)
    }
}
