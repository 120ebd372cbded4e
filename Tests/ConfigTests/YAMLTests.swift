import Config
import Testing

struct YAMLTests {
    private func codes(_ text: String, limits: YAMLLimits = YAMLLimits()) -> [String] {
        YAMLTree(text, file: "a.yaml", limits: limits).diagnostics.map { diagnostic in
            "\(diagnostic.location?.line ?? 0):\(diagnostic.location?.column ?? 0) \(diagnostic.code)"
        }
    }

    private func scalar(_ node: DocumentNode?) -> String? {
        guard case .scalar(let scalar)? = node?.content else { return nil }
        return scalar.text
    }

    @Test("every node and key knows its line and column")
    func positions() throws {
        let root = try #require(YAMLTree("a: 1\nb:\n  - x\n  - {c: ü, d: z}\n", file: "a.yaml").root)
        let entries = try #require(root.entries)
        #expect(entries.map(\.keyLocation.line) == [1, 2])
        let items = try #require(entries[1].value.items)
        #expect(items[0].location == SourceLocation(file: "a.yaml", line: 3, column: 5))
        let inner = try #require(items[1].entries)
        #expect(inner[1].keyLocation.column == 12)
        #expect(inner[1].value.location.column == 15)
    }

    @Test("an alias is the anchored value, and merge keys give way to explicit ones")
    func merging() throws {
        let text = """
            base: &base {a: 1, b: 2}
            more: &more {b: 3, c: 4}
            one: {<<: *base, a: 9}
            two: {b: 0, <<: [*base, *more]}
            copy: *base
            quoted: {"<<": 1}
            """
        let tree = YAMLTree(text, file: "a.yaml")
        #expect(tree.diagnostics.isEmpty)
        let root = try #require(tree.root)
        #expect(scalar(root["one"]?["a"]) == "9")
        #expect(scalar(root["one"]?["b"]) == "2")
        #expect(["a", "b", "c"].map { scalar(root["two"]?[$0]) } == ["1", "0", "4"])
        #expect(scalar(root["copy"]?["b"]) == "2")
        #expect(scalar(root["quoted"]?["<<"]) == "1")
    }

    @Test("a duplicate key shows both places")
    func duplicates() {
        let diagnostics = YAMLTree("a: 1\nb: {x: 1,\n  x: 2}\na: 3\n", file: "a.yaml").diagnostics
        #expect(
            diagnostics.map(\.description) == [
                "a.yaml:3:3: error: b.x: the key 'x' is given twice; keep one (see a.yaml:2:5) [duplicate-key]",
                "a.yaml:4:1: error: a: the key 'a' is given twice; keep one (see a.yaml:1:1) [duplicate-key]",
            ]
        )
    }

    @Test(
        "what cannot be read says where",
        arguments: [
            ("a: [1", "2:1 yaml-syntax"), ("a: 1\n---\nb: 2\n", "2:1 yaml-documents"), ("a: *x\n", "1:4 yaml-alias"),
            ("a: &x [*x]\n", "1:8 yaml-alias"), ("? [1]\n: 2\n", "1:3 yaml-key"), ("<<: 1\n", "1:5 yaml-merge"),
            ("a: !!set {}\n", "1:4 yaml-tag"), ("a: !custom 1\n", "1:4 yaml-tag"), ("a: b: c\n", "1:5 yaml-syntax"),
            ("a:\n\t- 1\n", "2:1 yaml-syntax"), ("a: \"\u{1}\"", "1:5 yaml-syntax"),
        ]
    )
    func refusals(text: String, expected: String) {
        #expect(codes(text) == [expected])
    }

    @Test("each limit rejects the document")
    func limits() {
        var limits = YAMLLimits()
        limits.documentBytes = 10
        #expect(codes("a: 123456789", limits: limits) == ["1:1 yaml-limit"])
        limits = YAMLLimits()
        limits.scalarBytes = 3
        #expect(codes("a: 1234", limits: limits) == ["1:4 yaml-limit"])
        limits = YAMLLimits()
        limits.nodes = 3
        #expect(codes("[1, 2, 3]", limits: limits) == ["1:1 yaml-limit"])
        #expect(codes(String(repeating: "[", count: 65)) == ["1:65 yaml-limit"])
        #expect(
            codes(
                "a: &a \(String(repeating: "[", count: 40))\(String(repeating: "]", count: 40))\nb: \(String(repeating: "[", count: 30))*a\(String(repeating: "]", count: 30))"
            ) == ["2:34 yaml-limit"]
        )
    }

    @Test("a billion laughs are refused, not computed")
    func laughs() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...30 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(aliases)]\n"
        }
        #expect(YAMLTree(text, file: "a.yaml").diagnostics.map(\.code) == ["yaml-limit"])
    }

    @Test("merge keys are charged for what they bring in")
    func mergedLaughs() {
        var text = "a: &a {" + (0..<1000).map { "k\($0): 1" }.joined(separator: ", ") + "}\n"
        for index in 0..<1000 { text += "b\(index): {<<: *a}\n" }
        #expect(YAMLTree(text, file: "a.yaml").diagnostics.map(\.code) == ["yaml-limit"])
    }

    @Test("an empty text is not an error of YAML", arguments: ["", "# nothing\n", "\n\n"])
    func empty(text: String) {
        let tree = YAMLTree(text, file: "a.yaml")
        #expect(tree.root == nil && tree.diagnostics.isEmpty)
    }
}
