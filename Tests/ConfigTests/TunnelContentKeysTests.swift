import Config
import Testing

@Suite("A tunnel as keys of a manifest")
struct TunnelContentKeysTests {
    let reader = ManifestReader(environment: ["KEY": "k3y-value", "T": "10.9.8.7:80"], workingDirectory: "/etc/np")

    @Test("what the keys say is the tunnel they were made of", arguments: 0..<600)
    func roundTrip(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        var spec = TunnelSpec.random(&random)
        if spec.protocols.isEmpty { spec.protocols = [.udp] }
        let labels = TunnelLabels(
            alias: random.pick(["", "Web ingress", "true", "a: b # c", "\u{1b}[31m\"\\\n", "密钥"]),
            tags: random.pick([[:], ["env": "prod"], ["a b": "1.5", "": "no"]]),
            peer: PeerLabel(sid: random.pick(["", "42"]), type: "", alias: random.pick(["", "x"]))
        )
        let content = TunnelContent(spec: spec, labels: labels, running: random.flip())
        guard let entry = content.manifestEntry() else {
            #expect(spec.tls == .filesMissing || spec.transport.code == nil || spec.pool.min > spec.pool.max)
            return
        }
        let text = "version: 1\ntunnels:\n  web:\n" + YAMLText.block(entry, indent: 4)
        let reading = reader.read(text: text, file: "m.yaml")
        #expect(reading.manifest?["web"]?.content == content, "\(text)\(reading.diagnostics)")
        let (declaration, diagnostics) = reader.readTunnel(entry, name: "web")
        #expect(declaration?.content == content, "\(entry.compactText)\(diagnostics)")
    }

    @Test("keys at their defaults are left out, groups stand together")
    func shape() throws {
        let spec = try TunnelURL.parse("client://s3cret@h.example:1/10.0.0.1:2,10.0.0.2:2?mode=2&min=8&rate=100").spec
        let entry = try #require(TunnelContent(spec: spec, running: false).manifestEntry())
        #expect(
            YAMLText.document(entry) == """
                role: client
                tunnel: h.example:1
                target:
                  - 10.0.0.1:2
                  - 10.0.0.2:2
                mode: dual
                key: s3cret
                pool:
                  min: 8
                limits:
                  rate: 100Mbps
                state: stopped

                """
        )
    }

    @Test(
        "texts that YAML could read as something else are quoted, others are not",
        arguments: [
            ("web", "web"), ("127.0.0.1:8080", "127.0.0.1:8080"), ("30s", "30s"), ("1h30m", "1h30m"),
            ("100Mbps", "100Mbps"), ("0.0.0.0/0", "0.0.0.0/0"), ("/etc/x", "\"/etc/x\""), ("true", "\"true\""),
            ("No", "\"No\""), ("12", "\"12\""), ("1e5", "\"1e5\""), ("0x1f", "\"0x1f\""), ("10:30", "\"10:30\""),
            ("2026-11-24", "\"2026-11-24\""), ("a: b", "\"a: b\""), ("", "\"\""), ("a&b\\\"", #""a&b\\\"""#),
            ("[::1]:80", "\"[::1]:80\""), ("\n", "\"\\U0000000a\""), ("end:", "\"end:\""),
        ]
    )
    func quoting(text: String, yaml: String) {
        #expect(YAMLText.document(.string(text)) == yaml + "\n")
    }

    @Test("what came from a reference is remembered as the file has it, with its files' paths absolute")
    func references() throws {
        let text = """
            version: 1
            tunnels:
              web: {role: client, mode: single, tunnel: "127.0.0.1:1", target: "${env:T}", key: "${env:KEY}", sni: x}
              two: {role: client, mode: single, tunnel: "127.0.0.1:2", target: ["${env:T}", "10.0.0.2:80"]}
            """
        let manifest = try #require(reader.read(text: text, file: "t.yaml").manifest)
        #expect(manifest["web"]?.referenceTexts == ["target": "${env:T}", "key": "${env:KEY}"])
        #expect(manifest["two"]?.referenceTexts == [:])
        #expect(manifest["two"]?.secretPaths == ["key", "target"])
    }

    @Test("a secret is masked wherever the tunnel is shown")
    func masked() throws {
        let spec = try TunnelURL.parse("client://k@h:1/db.internal:2?mode=1&sni=inner.example").spec
        let shown = TunnelContent(spec: spec).shownFields(secretPaths: ["key", "target", "sni"])
        let hidden = shown.filter { $0.text == Secret.mask }.map(\.path)
        #expect(hidden == ["target", "key", "sni"])
        let url = spec.displayURL(hiding: ["target", "sni"])
        #expect(!url.contains("db.internal") && !url.contains("inner.example") && url.contains("h:1"))
        let hiding = spec.hiding(["target"])
        #expect(hiding == spec)
        let line = hiding.secretTexts.masked(in: "dial db.internal:2 failed: db.internal has no address, h:1")
        #expect(line == "dial \(Secret.mask) failed: \(Secret.mask) has no address, h:1")
    }

    @Test("a manifest from a request may not include files")
    func includeRefused() {
        let text = "version: 1\ninclude: [/etc/hosts]\ntunnels: {}\n"
        let reading = reader.read(text: text, file: "plan.yaml", allowsIncludes: false)
        #expect(reading.manifest == nil)
        #expect(reading.diagnostics.map(\.code) == ["include-refused"])
        #expect(!reading.watched.contains("/etc/hosts"))
    }
}
