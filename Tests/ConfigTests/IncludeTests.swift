import Config
import FoundationEssentials
import Testing

struct IncludeTests {
    private func read(_ files: [String: String], _ paths: [String]) throws -> (reading: ManifestReading, root: String) {
        var result: (ManifestReading, String)?
        try withDirectory { directory in
            for (name, text) in files {
                let url = URL(fileURLWithPath: directory + "/" + name)
                try FileManager.default.createDirectory(
                    at: url.deletingLastPathComponent(),
                    withIntermediateDirectories: true
                )
                try Data(text.utf8).write(to: url)
            }
            result = (ManifestReader.test(in: directory).read(paths: paths), directory)
        }
        let (reading, root) = try #require(result)
        return (reading, root)
    }

    private func tunnel(_ name: String, _ port: Int) -> String {
        "tunnels: {\(name): {url: 'client://k@:\(port)/h:1?mode=1'}}\n"
    }

    @Test("includes are read in lexical order, relative to the file, under its defaults")
    func order() throws {
        let files = [
            "main.yaml": "version: 1\ninclude: [d/*.yaml, one.yml]\ndefaults: {drain: 5s}\n" + tunnel("z", 2000),
            "d/b.yaml": tunnel("b", 2001), "d/a.yaml": "include: deep/x.yaml\n" + tunnel("a", 2002),
            "d/deep/x.yaml": "defaults: {log: warn}\n" + tunnel("x", 2003), "d/.hidden.yaml": "broken: [",
            "d/readme.txt": "broken: [", "one.yml": tunnel("one", 2004),
        ]
        let (reading, root) = try read(files, ["main.yaml"])
        #expect(reading.lines.isEmpty)
        let manifest = try #require(reading.manifest)
        #expect(manifest.tunnels.map(\.name) == ["z", "a", "x", "b", "one"])
        #expect(manifest["x"]?.spec.url == "client://k@:2003/h:1?drain=5s&log=warn&mode=1")
        #expect(manifest["b"]?.spec.url == "client://k@:2001/h:1?drain=5s&mode=1")
        #expect(manifest["x"]?.source.file == "d/deep/x.yaml")
        #expect(
            reading.watched.isSuperset(of: [
                root + "/d", root + "/d/a.yaml", root + "/d/deep/x.yaml", root + "/one.yml",
            ])
        )
    }

    @Test("a name declared in two files is an error that shows both and invalidates that tunnel only")
    func twice() throws {
        let files = ["a.yaml": "version: 1\n" + tunnel("x", 2000), "b.yaml": "version: 1\n" + tunnel("x", 2001)]
        let (reading, _) = try read(files, ["a.yaml", "b.yaml"])
        let message = "error: tunnels.x: is declared twice; a name may be declared once in all files together"
        #expect(
            reading.diagnostics.map(\.description) == ["b.yaml:2:11: \(message) (see a.yaml:2:11) [duplicate-name]"]
        )
        #expect(try #require(reading.manifest).tunnels.isEmpty)
        #expect(reading.invalid.keys.sorted() == ["x"])
    }

    @Test("a repeated key, a name declared twice and a bad policy in an included file hide no other problem")
    func repeatedInIncluded() throws {
        let included = """
            policy: {prune: maybe}
            include: more.yaml
            tunnels:
              x: {url: 'client://k@:2001/h:1?mode=1', log: loud}
              x: {url: 'client://k@:2002/h:1?mode=1', log: louder}
            """
        let files = [
            "main.yaml": "version: 1\ninclude: one.yaml\n" + tunnel("x", 2000), "one.yaml": included,
            "more.yaml": tunnel("Bad", 2003),
        ]
        let (reading, _) = try read(files, ["main.yaml"])
        #expect(
            reading.diagnostics.map { "\($0.location?.fileAndLine ?? "") \($0.code)" } == [
                "one.yaml:1 policy-twice", "one.yaml:1 value", "one.yaml:4 duplicate-name", "one.yaml:4 value",
                "one.yaml:5 duplicate-key", "one.yaml:5 value", "more.yaml:1 tunnel-name",
            ]
        )
        #expect(reading.manifest == nil)
    }

    @Test("a directory's manifests are read in lexical order")
    func directory() throws {
        let files = ["d/b.yml": "version: 1\n" + tunnel("b", 2001), "d/a.yaml": "version: 1\n" + tunnel("a", 2000)]
        let (reading, root) = try read(files, ["d"])
        #expect(reading.manifest?.tunnels.map(\.name) == ["a", "b"])
        #expect(reading.watched == [root + "/d", root + "/d/a.yaml", root + "/d/b.yml"])
    }

    @Test(
        "what cannot be read rejects everything",
        arguments: [
            ("gone.yaml", "gone.yaml:1:1 unreadable"), ("empty", "empty:1:1 empty"),
            ("cycle.yaml", "loop.yaml:1:10 include-cycle"),
            ("self.yaml", "self.yaml:2:10 include-cycle"), ("broken.yaml", "bad.yaml:2:1 yaml-syntax"),
            ("policies.yaml", "policy.yaml:1:1 policy-twice"), ("latin.yaml", "latin.yaml:1:1 unreadable"),
        ]
    )
    func rejections(path: String, expected: String) throws {
        let files = [
            "empty/readme.txt": "", "cycle.yaml": "version: 1\ninclude: [loop.yaml]\ntunnels: {}\n",
            "loop.yaml": "include: cycle.yaml\ntunnels: {}\n",
            "self.yaml": "version: 1\ninclude: self.yaml\ntunnels: {}\n",
            "broken.yaml": "version: 1\ninclude: bad.yaml\ntunnels: {}\n", "bad.yaml": "tunnels: [\n",
            "policies.yaml": "version: 1\ninclude: policy.yaml\ntunnels: {}\n",
            "policy.yaml": "policy: {prune: false}\ntunnels: {}\n", "latin.yaml": "",
        ]
        var reading: ManifestReading?
        try withDirectory { directory in
            try FileManager.default.createDirectory(atPath: directory + "/empty", withIntermediateDirectories: true)
            for (name, text) in files {
                var bytes = Data(text.utf8)
                if name == "latin.yaml" { bytes = Data([0x61, 0x3a, 0xe4]) }
                try bytes.write(to: URL(fileURLWithPath: directory + "/" + name))
            }
            reading = ManifestReader.test(in: directory).read(paths: [path])
        }
        let first = try #require(reading?.diagnostics.first)
        #expect(reading?.manifest == nil)
        #expect(reading?.diagnostics.count == 1)
        #expect("\(try #require(first.location)) \(first.code)" == expected)
    }
}
