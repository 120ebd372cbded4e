import API
import Config
import HTTPTypes
import Testing

@Suite("The API describes itself", .timeLimit(.minutes(1)))
struct OpenAPITests {
    @Test("the document is OpenAPI 3.1, its references resolve and its operation ids are unique")
    func document() async throws {
        try await TestDaemon.run { daemon in
            let document = try await daemon.sendPlain(.get, "/api/v1/openapi.json").json
            #expect(document["openapi"]?.stringValue?.hasPrefix("3.1.") == true)
            let schemas = try #require(document["components"]?["schemas"])
            let references = Self.values(of: "$ref", in: document)
            #expect(!references.isEmpty)
            for reference in references {
                let name = try #require(reference.split(separator: "/").last)
                #expect(schemas[String(name)] != nil, "\(reference)")
            }
            let ids = Self.values(of: "operationId", in: document)
            #expect(ids.count > 10 && Set(ids).count == ids.count)
        }
    }

    @Test("every documented path is routed, and every documented method on it is allowed")
    func routes() async throws {
        try await TestDaemon.run { daemon in
            let document = try await daemon.sendPlain(.get, "/api/v1/openapi.json").json
            let paths = try #require(document["paths"])
            #expect(paths.names.contains("/api/v1/instances/{id}") && paths.names.contains("/healthz"))
            for path in paths.names {
                let answer = try await daemon.send(.trace, path.replacing("{id}", with: "********"))
                #expect(answer.status == 405, "\(path)")
                let methods = (paths[path]?.names ?? []).filter { $0 != "parameters" }.map { $0.uppercased() }
                #expect(answer.headers[.allow] == (methods + ["OPTIONS"]).joined(separator: ", "))
            }
        }
    }

    private static func values(of name: String, in value: JSONValue) -> [String] {
        switch value {
        case .object(let members):
            return members.flatMap { member in
                let own = member.name == name ? member.value.stringValue.map { [$0] } ?? [] : []
                return own + values(of: name, in: member.value)
            }
        case .array(let items): return items.flatMap { values(of: name, in: $0) }
        default: return []
        }
    }
}
