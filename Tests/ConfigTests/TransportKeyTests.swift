import Testing

@testable import Config
@testable import TestSupport

@Suite("The key transport")
struct TransportKeyTests {
    private func transports(_ value: String) throws -> (spec: TunnelSpec?, problems: [Diagnostic]) {
        let rest = "role: server, mode: reverse, tunnel: '10.0.0.1:1', target: '10.0.0.1:2', key: k"
        let text = "version: 1\ntunnels:\n  a: {\(rest), transport: \(value)}\n"
        let reading = ManifestReader.test().read(text: text, file: "m.yaml")
        return (reading.manifest?.tunnels.first?.spec, reading.diagnostics.filter { $0.severity == .error })
    }

    @Test(
        "one kind, several in order, or auto",
        arguments: [
            ("tcp", [.tcp], nil), ("http2", [.http2], "3"), ("auto", [.quic, .websocket], "1,2"),
            ("[websocket]", [.websocket], "2"), ("[quic, http2, tcp]", [.quic, .http2, .tcp], "1,3,0"),
            ("'quic, tcp'", [.quic, .tcp], "1,0"),
        ] as [(String, [PoolTransport], String?)]
    )
    func read(_ value: String, _ expected: [PoolTransport], _ parameter: String?) throws {
        let spec = try #require(try transports(value).spec)
        #expect(spec.transports == expected)
        let inURL = TunnelField.transport.writeQuery(spec).first?.value
        #expect(inURL == parameter)
        #expect(try TunnelURL.parse(spec.url).spec == spec)
        let content = TunnelContent(spec: spec)
        let entry = try #require(content.manifestEntry())
        let (again, problems) = ManifestReader.test().readTunnel(entry, name: "a")
        #expect(again?.spec == spec && problems.filter { $0.severity == .error }.isEmpty)
    }

    @Test(
        "what is no such list is an error",
        arguments: ["[]", "[auto, tcp]", "[tcp, tcp]", "[udp]", "fast", "{a: b}"]
    )
    func refused(_ value: String) throws {
        let (_, problems) = try transports(value)
        #expect(problems.count >= 1 && problems.allSatisfy { $0.path == "tunnels.a.transport" }, "\(problems)")
    }

    @Test("a type that is not known, or is given twice, does not start", arguments: ["1,9", "2,2", "1,", "x"])
    func unknown(_ type: String) throws {
        let url = "server://k@10.0.0.1:1/10.0.0.1:2?mode=1&type=\(type)"
        let spec = try TunnelURL.parse(url).spec
        if type == "1," { #expect(spec.transports == [.quic]) } else { #expect(spec.transport == .unknown(type)) }
    }

    @Test("links of which one kind needs TLS have it in every kind")
    func secured() throws {
        #expect(try #require(try transports("auto").spec).linkTLS == .selfSigned)
        #expect(try #require(try transports("websocket").spec).linkTLS == .off)
    }
}
