import Config
import FoundationEssentials
import TestSupport
import Testing

@Suite("References that stay texts")
struct KeptReferenceTests {
    private let directory: TemporaryDirectory
    private let declared: [String: TunnelDeclaration]
    private let reader: ManifestReader

    init() throws {
        directory = try TemporaryDirectory()
        try directory.write("s3cret", to: "key")
        reader = ManifestReader.test(["N": "7", "T": "h:5001"])
        let reading = reader.read(text: Self.manifest(directory.path), file: "m.yaml")
        #expect(reading.problems.isEmpty)
        declared = Dictionary((reading.manifest?.tunnels ?? []).map { ($0.name, $0) }) { $1 }
    }

    private static func manifest(_ directory: String, _ change: (String, String) = ("", "")) -> String {
        let text = """
            version: 1
            tunnels:
              t: {role: server, mode: reverse, tunnel: ':2000', target: '${env:T}', key: '${file:DIR/key}',
                limits: {connections: '${env:N}'}, alias: plain}
              u: {url: 'server://${file:DIR/key}@:2001/h:5003?rate=5', log: warn}
            """
        let changed = change.0.isEmpty ? text : text.replacing(change.0, with: change.1)
        return changed.replacing("DIR", with: directory)
    }

    private func kept(_ change: (String, String) = ("", "")) -> ManifestReading {
        reader.read(text: Self.manifest(directory.path, change), file: "plan.yaml", comparedWith: declared)
    }

    @Test("the same text is the same tunnel")
    func same() throws {
        let reading = kept()
        #expect(reading.problems.isEmpty)
        for name in ["t", "u"] {
            #expect(reading.manifest?[name]?.content == declared[name]?.content)
        }
    }

    @Test(
        "nothing is said of the strength of a key that is not known",
        arguments: ["key: '${env:K}'", "url: 'server://${env:K}@:2000/h:5003?mode=1'"]
    )
    func strength(keys: String) {
        for handshake in ["auto", "sealed"] {
            let tunnel = "role: server, mode: reverse, tunnel: ':2000', target: 'h:5003', \(keys)"
            let text = "version: 1\ntunnels:\n  t: {\(tunnel), handshake: \(handshake)}\n"
            let reading = reader.read(text: text, file: "m.yaml", keepsReferences: true)
            #expect(reading.diagnostics.isEmpty)
        }
    }

    @Test("a change beside a reference is shown as it is")
    func beside() throws {
        #expect(kept(("alias: plain", "alias: other")).manifest?["t"]?.labels.alias == "other")
        let other = try #require(kept(("log: warn", "log: error")).manifest?["u"])
        #expect(other.spec.log == .error && other.spec.key == declared["u"]?.spec.key)
    }

    @Test(
        "a guess is a difference, right or wrong, and is not shown",
        arguments: [
            ("'${file:DIR/key}'", "s3cret", "key"), ("'${file:DIR/key}'", "wrong", "key"),
            ("'${env:N}'", "7", "limits.connections"), ("'${env:N}'", "8", "limits.connections"),
            ("'${env:T}'", "'h:5001'", "target"), ("'${env:T}'", "'h:5002'", "target"),
            ("'${file:DIR/key}'", "'${file:/nowhere/else}'", "key"),
            ("'${env:N}'", "'${env:OTHER}'", "limits.connections"),
        ]
    )
    func guess(old: String, new: String, path: String) throws {
        let reading = kept((old, new))
        #expect(reading.problems.isEmpty)
        let declaration = try #require(reading.manifest?["t"])
        let former = try #require(declared["t"])
        let changes = former.content.changes(to: declaration.content).map(\.path)
        #expect(changes == [path])
        #expect(declaration.secretPaths.contains(path))
    }

    @Test("a guessed key in a URL is a difference, too", arguments: ["s3cret", "wrong"])
    func guessedURL(key: String) throws {
        let declaration = try #require(kept(("server://${file:DIR/key}@", "server://\(key)@")).manifest?["u"])
        #expect(declaration.spec.key != declared["u"]?.spec.key)
    }

    @Test("a file that is not there is no problem, because nobody looks")
    func existence() {
        #expect(kept(("alias: plain", "alias: '${file:/nowhere/x}'")).problems.isEmpty)
        #expect(kept(("alias: plain", "alias: '${file:/etc/passwd}'")).problems.isEmpty)
    }
}

extension ManifestReading {
    /// Without the warnings that the keys of these tests are short.
    fileprivate var problems: [String] { lines.filter { !$0.contains(" weak-key ") } }
}
