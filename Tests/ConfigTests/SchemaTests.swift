import FoundationEssentials
import Testing

@testable import Config

struct SchemaTests {
    private let page: String

    init() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let file = root.deletingLastPathComponent().appendingPathComponent("docs/manifest.md")
        page = String(decoding: try Data(contentsOf: file), as: UTF8.self)
    }

    private func member(_ path: String, of schema: JSONValue) -> JSONValue? {
        path.split(separator: "/").reduce(schema) { value, name -> JSONValue? in
            switch value {
            case .object(let members)?: members.first { $0.name == name }?.value
            case .array(let items)?: Int(name).flatMap { items.indices.contains($0) ? items[$0] : nil }
            default: nil
            }
        }
    }

    @Test("every key of the table is in the JSON Schema, for tunnels and for defaults")
    func keysInSchema() throws {
        let schema = ManifestSchema.jsonSchema
        for root in ["$defs/tunnel", "properties/defaults/anyOf/0"] {
            for field in ManifestSchema.fields {
                let parts = field.path.split(separator: ".").map(String.init)
                let path = parts.joined(separator: "/anyOf/0/properties/")
                let property = try #require(member("\(root)/properties/\(path)", of: schema), "\(field.path)")
                #expect(member("description", of: property) != nil)
                #expect(member("anyOf/1/$ref", of: property) == "#/$defs/reference")
            }
        }
        #expect(member("$defs/tunnel/properties/url", of: schema) != nil)
        #expect(member("$defs/tunnel/additionalProperties", of: schema) == false)
    }

    @Test("the documentation's table of keys is the table of the code, row by row")
    func keysInDocumentation() {
        let classes = ChangeClass.allCases.map { "| \($0.rawValue) |" }
        let rows = page.split(separator: "\n").filter { line in
            line.hasPrefix("| `") && classes.contains { line.contains($0) }
        }
        #expect(rows.map(String.init) == ManifestSchema.fields.map(Self.row))
    }

    /// One line of the key table in docs/manifest.md.
    static func row(_ field: TunnelField) -> String {
        let role = field.roles.count == 2 ? "both" : field.roles.map(\.rawValue).joined()
        let parameters = field.parameters.map { "`\($0)`" }.joined(separator: " ")
        let standard = field.defaultText.isEmpty ? "" : "`\(field.defaultText)`"
        let cells = ["`\(field.path)`", role, standard, parameters, field.changeClass.rawValue, field.summary]
        return "| " + cells.joined(separator: " | ") + " |"
    }

    @Test("every diagnostic code is documented with its one sentence")
    func codesInDocumentation() {
        for code in DiagnosticCode.allCases {
            #expect(page.contains("| `\(code.rawValue)` | \(code.summary) |"), "\(code.rawValue)")
        }
    }

    @Test(
        "the schema accepts the rates that are read, and no other",
        arguments: [
            "0", "100", "100Mbps", "100 mbps", "1.0Mbps", "0.5Gbps", "1.2345Gbps", "0.5Mbps", "1.5Mbps", "500Kbps",
            "2000kbps", "2000.0kbps", "0kbps", "1Tbps", "Mbps", "-1", "",
        ]
    )
    func rates(_ text: String) throws {
        let pattern = try Regex(BitRate.pattern)
        #expect(text.contains(pattern) == ((try? BitRate.parse(text)) != nil))
    }

    @Test("the examples of the documentation are read without errors")
    func examples() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/operating.md")
        let operating = try String(contentsOf: file, encoding: .utf8)
        #expect(operating.contains("```yaml\nversion: 1"))
        let blocks = (page + operating).split(separator: "```").filter { $0.hasPrefix("yaml\nversion: 1") }
        try #require(!blocks.isEmpty)
        for block in blocks {
            let text = String(block.dropFirst("yaml\n".count))
            let reading = ManifestReader.test(["WEB_KEY": "k", "BLOG_KEY": "k", "WIKI_KEY": "k"]).read(
                text: text,
                file: "m.yaml"
            )
            #expect(!reading.hasErrors, "\(reading.diagnostics)")
        }
    }
}
