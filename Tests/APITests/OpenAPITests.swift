import API
import Config
import HTTPTypes
import Hummingbird
import Testing

/// What the document says of single answers is held against every answer of every test, by `TestDaemon`.
@Suite("The API describes itself", .timeLimit(.minutes(1)))
struct OpenAPITests {
    @Test("the document is OpenAPI 3.1, its references resolve and its operation ids are unique")
    func document() async throws {
        try await TestDaemon.run { daemon in
            let document = try await daemon.sendPlain(.get, "/api/v1/openapi.json").json
            #expect(document["openapi"]?.stringValue?.hasPrefix("3.1.") == true)
            let schemas = try #require(document["components"]?["schemas"])
            let references = Set(Self.values(of: "$ref", in: document))
            #expect(!references.isEmpty)
            for reference in references {
                let name = try #require(reference.split(separator: "/").last)
                #expect(schemas[String(name)] != nil, "\(reference)")
            }
            let ids = Self.operations(of: document).compactMap { $0["operationId"]?.stringValue }
            #expect(ids.count > 10 && Set(ids).count == ids.count)
            let links = Self.operations(of: document).flatMap { operation in
                Self.values(of: "operationId", in: operation["responses"] ?? .null)
            }
            #expect(!links.isEmpty && Set(links).isSubset(of: ids))
        }
    }

    @Test("every schema is used, and none says what the tests do not check")
    func schemas() async throws {
        try await TestDaemon.run { daemon in
            let document = try await daemon.document()
            #expect(document.checker.unknownKeywords().isEmpty)
            let names = Set(document.json["components"]?["schemas"]?.names ?? [])
            let used = Self.values(of: "$ref", in: document.json).compactMap {
                $0.split(separator: "/").last.map(String.init)
            }
            #expect(names == Set(used))
        }
    }

    @Test("every body has examples, each of which its schema takes")
    func examples() async throws {
        try await TestDaemon.run { daemon in
            let document = try await daemon.document()
            let bodies = Self.operations(of: document.json).compactMap { $0["requestBody"]?["content"] }
            #expect(!bodies.isEmpty)
            for case .object(let forms) in bodies {
                for form in forms.map(\.value) {
                    guard case .object(let examples)? = form["examples"] else {
                        Issue.record("no example of \(form.compactText)")
                        continue
                    }
                    for example in examples {
                        let value = try #require(example.value["value"])
                        #expect(document.checker.problems(value, form["schema"] ?? false).isEmpty)
                    }
                }
            }
        }
    }

    @Test(
        "every operation is summed up, told under a tag of the list, and each of its parameters and answers explained"
    )
    func explained() async throws {
        try await TestDaemon.run { daemon in
            let document = try await daemon.document().json
            let tags = document["tags"]?.items.compactMap { $0["name"]?.stringValue } ?? []
            var used: [String] = []
            for operation in Self.operations(of: document) {
                let tag = try #require(operation["tags"]?.items.first?.stringValue)
                #expect(tags.contains(tag))
                used.append(tag)
                #expect(operation["summary"]?.stringValue?.isEmpty == false)
                for parameter in operation["parameters"]?.items ?? [] {
                    #expect(parameter["description"]?.stringValue?.isEmpty == false && parameter["schema"] != nil)
                }
            }
            #expect(Set(used) == Set(tags))
        }
    }

    /// The pages' own files are routed and not documented; everything else is both, method by method.
    @Test("what is routed is documented, and what is documented is routed", arguments: ["/api", "/custom/path"])
    func routes(prefix: String) async throws {
        try await TestDaemon.run(prefix: prefix) { daemon in
            let operations = try await daemon.document().operations
            let documented = Set(operations.map(\.path))
            let routed = Set(daemon.application.router().routes.map { "\($0.path)" })
            #expect(documented.contains("\(prefix)/v1/instances/{id}") && documented.contains("/healthz"))
            #expect(routed.subtracting(documented) == Set(APIApplication.assetPaths))
            #expect(documented.isSubset(of: routed))
            for (path, methods) in operations {
                let answer = try await daemon.send(.trace, path.replacing("{id}", with: "********"))
                #expect(answer.status == 405, "\(path)")
                #expect(answer.headers[.allow] == (methods + ["OPTIONS"]).joined(separator: ", "))
            }
        }
    }

    @Test(
        "the checker finds what is wrong",
        arguments: [
            (#"{"type":"string"}"#, "1"), (#"{"type":["string","null"]}"#, "1"), (#"{"enum":["a"]}"#, #""b""#),
            (#"{"const":1}"#, "2"), (#"{"pattern":"^a$"}"#, #""b""#), (#"{"format":"date-time"}"#, #""now""#),
            (#"{"minLength":1}"#, #""""#), (#"{"maxLength":1}"#, #""ab""#), (#"{"minimum":0}"#, "-1"),
            (#"{"maximum":1}"#, "1.5"), (#"{"items":{"type":"null"}}"#, "[1]"), (#"{"required":["a"]}"#, "{}"),
            (#"{"additionalProperties":false}"#, #"{"a":1}"#), (#"{"properties":{"a":{"type":"null"}}}"#, #"{"a":1}"#),
            (#"{"patternProperties":{"^a":false}}"#, #"{"ab":1}"#),
            (#"{"propertyNames":{"maxLength":1}}"#, #"{"ab":1}"#),
            (#"{"maxProperties":0}"#, #"{"a":1}"#), (#"{"allOf":[{},{"type":"null"}]}"#, "1"),
            (#"{"anyOf":[{"type":"null"},false]}"#, "1"), (#"{"oneOf":[{},{}]}"#, "1"),
            (#"{"if":{"const":1},"then":false}"#, "1"), (#"{"if":{"const":1},"else":false}"#, "2"),
            (#"{"allOf":[{"properties":{"a":{}}}],"unevaluatedProperties":false}"#, #"{"b":1}"#),
            (#"{"contentSchema":{"type":"null"}}"#, #""1""#), (##"{"$ref":"#/components/schemas/Nothing"}"##, "1"),
            (#"{"minContains":1}"#, "1"), ("false", "null"), (#"{"type":"object"}"#, #"{"a":1,"a":1}"#),
        ]
    )
    func checker(schema: String, value: String) throws {
        let checker = SchemaChecker(components: .null)
        let wrong = try JSONParser.parse(Array(value.utf8))
        #expect(!checker.problems(wrong, try JSONParser.parse(Array(schema.utf8))).isEmpty)
        #expect(checker.problems(wrong, .object([JSONValue.Member]())).isEmpty == (schema != #"{"type":"object"}"#))
    }

    @Test(
        "an exchange that differs from the document is found",
        arguments: [
            ("/api/v1/info", 200, "{}\n"), ("/api/v1/info", 418, "{}\n"), ("/api/v1/nothing", 200, "{}\n"),
            ("/api/v1/tcping?who=1", 200, #"{"target":"","connected":true,"latency":0,"error":null}"# + "\n"),
            ("/api/v1/events", 200, "{}\n"),
        ]
    )
    func exchange(path: String, status: Int, text: String) async throws {
        try await TestDaemon.run { daemon in
            let answer = Answer(status: status, headers: [.contentType: "application/json"], text: text)
            let exchange = APIDocument.Exchange(method: .get, path: path, body: nil, answer: answer)
            let problems = try await daemon.document().problems(exchange)
            #expect(!problems.isEmpty)
        }
    }

    private static func operations(of document: JSONValue) -> [JSONValue] {
        guard case .object(let paths)? = document["paths"] else { return [] }
        return paths.flatMap { path -> [JSONValue] in
            guard case .object(let members) = path.value else { return [] }
            return members.filter { $0.name != "parameters" }.map(\.value)
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
