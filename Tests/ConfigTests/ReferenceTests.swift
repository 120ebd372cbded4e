import Config
import FoundationEssentials
import Testing

struct ReferenceTests {
    private static let url = "url: 'client://k@:2000/h:1?mode=1'"

    @Test("references are replaced, inside texts too, and numbers may come from them")
    func replaced() throws {
        let environment = ["PORT": "2000", "N": "7", "EMPTY": ""]
        let reading = ManifestReader.test(environment).readOne(
            "role: client, tunnel: '127.0.0.1:${env:PORT}', target: '${env:HOST:-h}:1', mode: single, "
                + "limits: {connections: '${env:N}'}, alias: '${env:EMPTY:-x}${env:EMPTY}'"
        )
        #expect(reading.lines.isEmpty)
        let tunnel = try #require(reading.manifest?["t"])
        #expect(tunnel.spec.url == "client://127.0.0.1:2000/h:1?mode=1&slot=7")
        #expect(tunnel.labels.alias == "x")
        #expect(tunnel.secretPaths == ["tunnel", "target", "limits.connections", "alias", "key"])
    }

    @Test(
        "a reference that cannot be replaced says why",
        arguments: [
            ("alias: '${env:NOPE}'", "reference-unset"), ("alias: '${env:}'", "reference-syntax"),
            ("alias: '${envNOPE}'", "reference-syntax"), ("alias: '${env:A'", "reference-syntax"),
            ("alias: '${file:}'", "reference-syntax"), ("alias: '${file:/nowhere/x}'", "reference-file"),
            ("alias: '${env:A-B}'", "reference-syntax"),
        ]
    )
    func failures(keys: String, code: String) {
        let reading = ManifestReader.test().readOne("\(Self.url), \(keys)")
        #expect(reading.diagnostics.map(\.code) == [code])
        #expect(reading.diagnostics.first?.path == "tunnels.t.alias")
        #expect(reading.invalid["t"] != nil)
    }

    @Test(
        "a value from a reference is never shown",
        arguments: [
            "role: client, tunnel: 'h:${env:S}', target: 'h:1'", "url: 'client://h:${env:S}/h:1'",
            "url: 'client://:2000/h:1?allow=${env:S}'", "url: '${env:S}'", "\(url), log: '${env:S}'",
            "\(url), limits: {rate: '${env:S}', connections: '${env:S}'}", "\(url), access: {deny: ['${env:S}']}",
            "\(url), drain: '${env:S:-hunter2}', dial: '${env:X:-hunter2}'", "\(url), key: 'hunter2${env:BIG}'",
            "\(url), pool: {min: 9, max: '${env:ONE}'}",
        ]
    )
    func hidden(keys: String) {
        let environment = ["S": "hunter2", "BIG": String(repeating: "x", count: 2000), "ONE": "7"]
        let reading = ManifestReader.test(environment).readOne(keys)
        #expect(reading.hasErrors)
        for format in DiagnosticFormat.allCases {
            let text = DiagnosticFormat.render(reading.diagnostics, as: format)
            #expect(!text.contains("hunter2") && !text.contains("(7)"), "\(text)")
        }
    }

    @Test("the message names the reference instead of its value")
    func named() {
        let reading = ManifestReader.test(["S": "x"]).readOne("\(Self.url), log: '${env:S:-y}'")
        let expected = "the value of ${env:S} is not one of none, debug, info, warn, error, event"
        #expect(reading.diagnostics.map(\.message) == [expected])
    }

    @Test("a file's content is trimmed, its path starts at the manifest, and it is watched even when missing")
    func files() throws {
        try withDirectory { directory in
            try Data("  s3cret-9f86d081884c7d65\n".utf8).write(to: URL(fileURLWithPath: directory + "/key"))
            let text = """
                version: 1
                tunnels:
                  a: {url: 'server://:2000/h:1', key: '${file:key}', tls: {certificate: c.pem, key: /k.pem}}
                  b: {url: 'server://:2001/h:1', key: '${file:gone}'}
                """
            try Data(text.utf8).write(to: URL(fileURLWithPath: directory + "/m.yaml"))
            let reading = ManifestReader.test(in: directory).read(paths: ["m.yaml"])
            #expect(reading.lines == ["4:39 error reference-file tunnels.b.key"])
            #expect(reading.manifest?["a"]?.spec.key == Secret("s3cret-9f86d081884c7d65"))
            #expect(reading.manifest?["a"]?.spec.tls == .files(certificate: directory + "/c.pem", key: "/k.pem"))
            let expected = ["/m.yaml", "/key", "/gone", "/c.pem"].map { directory + $0 } + ["/k.pem"]
            #expect(reading.watched == Set(expected))
        }
    }
}

/// Runs with a fresh directory that is gone afterwards.
func withDirectory(_ body: (String) throws -> Void) throws {
    let directory = FileManager.default.temporaryDirectory.path + "/config-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try body(directory)
}
