import Config
import HTTPTypes
import Reconciler

/// The OpenAPI 3.1 document, made from the table the router is made from.
struct OpenAPI {
    /// Below the prefix and the version; probes are outside.
    let api: [Resource]
    let probes: [Resource]
    /// `/api/v1`.
    let base: String

    /// From where the document is, `/api/v1/openapi.json`, to what its paths begin at: a reverse proxy may have put
    /// something before it.
    private var root: String { base.split(separator: "/").map { _ in ".." }.joined(separator: "/") }

    var document: JSONValue {
        [
            "openapi": "3.1.0",
            "info": [
                "title": "nodepass",
                "version": .string(Version.api),
                "summary":
                    "The tunnels of this daemon: NodePass's master API and the declarative operations on top of it.",
                "description": .string(Self.introduction),
            ],
            "servers": [["url": .string(root), "description": "The daemon that this document came from"]],
            "tags": .array(
                APITag.allCases.map { ["name": .string($0.rawValue), "description": .string($0.text)] }
            ),
            "security": [["key": []], ["bearer": []]],
            "paths": .object(
                api.map { JSONValue.Member(base + $0.path, path($0)) }
                    + probes.map { JSONValue.Member($0.path, path($0)) }
            ),
            "components": [
                "securitySchemes": [
                    "key": [
                        "type": "apiKey", "in": "header", "name": "X-API-Key",
                        "description": "The API key; `nodepass key show` prints it.",
                    ],
                    "bearer": ["type": "http", "scheme": "bearer", "description": "The same key."],
                ],
                "schemas": Schema.components,
            ],
        ]
    }

    private func path(_ resource: Resource) -> JSONValue {
        let names = [("{id}", Self.idParameter), ("{label}", Self.labelParameter)]
        let parameters = names.filter { resource.path.contains($0.0) }.map(\.1)
        let shared = parameters.isEmpty ? [] : [JSONValue.Member("parameters", .array(parameters))]
        let operations = resource.operations.map { operation in
            JSONValue.Member(operation.method.rawValue.lowercased(), self.operation(operation, of: resource))
        }
        return .object(shared + operations)
    }

    private func operation(_ operation: Operation, of resource: Resource) -> JSONValue {
        var members: [JSONValue.Member] = [
            JSONValue.Member("operationId", .string(operation.id)),
            JSONValue.Member("tags", [.string(resource.tag.rawValue)]),
            JSONValue.Member("summary", .string(operation.summary)),
        ]
        if let details = operation.details { members.append(JSONValue.Member("description", .string(details))) }
        if resource.access == .open { members.append(JSONValue.Member("security", [])) }
        if !operation.parameters.isEmpty {
            members.append(JSONValue.Member("parameters", .array(operation.parameters.map(parameter))))
        }
        if let body = operation.body {
            let content = content("application/json", Schema.reference(body), examples: operation.examples)
            members.append(JSONValue.Member("requestBody", ["required": true, "content": .object([content])]))
        }
        if let yaml = operation.yaml {
            let content = content("application/yaml", yaml, examples: operation.examples)
            members.append(JSONValue.Member("requestBody", ["required": false, "content": .object([content])]))
        }
        members.append(JSONValue.Member("responses", responses(of: operation, access: resource.access)))
        return .object(members)
    }

    private func responses(of operation: Operation, access: Resource.Access) -> JSONValue {
        var answers = operation.answers
        if access == .key {
            answers += Operation.Answer.keyed
            let refusesOtherwise = answers.contains { $0.status == Operation.Answer.roleRefused.status }
            if operation.role > .metrics, !refusesOtherwise { answers.append(.roleRefused) }
        }
        if operation.body != nil || operation.yaml != nil { answers += Operation.Answer.withBody }
        let members = answers.sorted { $0.status < $1.status }.map { answer in
            JSONValue.Member(String(answer.status), self.answer(answer))
        }
        return .object(members)
    }

    private func answer(_ answer: Operation.Answer) -> JSONValue {
        var members = [JSONValue.Member("description", .string(answer.text))]
        if !answer.headers.isEmpty {
            members.append(JSONValue.Member("headers", .object(answer.headers.map(header))))
        }
        var forms: [JSONValue.Member] = []
        if let schema = answer.schema {
            forms.append(content(answer.type, schema))
        } else if answer.type != "application/json" {
            forms.append(content(answer.type, ["type": "string"]))
        }
        if !answer.events.isEmpty { forms.append(content("text/event-stream", Schema.stream(of: answer.events))) }
        if !forms.isEmpty { members.append(JSONValue.Member("content", .object(forms))) }
        if !answer.links.isEmpty {
            members.append(JSONValue.Member("links", .object(answer.links.map(link))))
        }
        return .object(members)
    }

    private func header(_ header: Operation.Header) -> JSONValue.Member {
        JSONValue.Member(
            header.name,
            ["description": .string(header.text), "required": .bool(header.isRequired), "schema": header.schema]
        )
    }

    private func link(_ operation: String) -> JSONValue.Member {
        JSONValue.Member(operation, ["operationId": .string(operation), "parameters": ["id": "$response.body#/id"]])
    }

    private func content(
        _ type: String,
        _ schema: JSONValue,
        examples: [Operation.Example] = []
    ) -> JSONValue.Member {
        guard !examples.isEmpty else { return JSONValue.Member(type, ["schema": schema]) }
        let shown = examples.map { JSONValue.Member($0.name, ["summary": .string($0.text), "value": $0.value]) }
        return JSONValue.Member(type, ["schema": schema, "examples": .object(shown)])
    }

    private func parameter(_ field: Operation.QueryField) -> JSONValue {
        [
            "name": .string(field.name),
            "in": .string(field.place),
            "description": .string(field.text),
            "required": .bool(field.isRequired),
            "schema": field.schema,
        ]
    }

    private static let idParameter: JSONValue = [
        "name": "id",
        "in": "path",
        "required": true,
        "description": "8 lower-case hex digits, or eight asterisks for the API key's row",
        "schema": Schema.id,
    ]

    private static let labelParameter: JSONValue = [
        "name": "label",
        "in": "path",
        "required": true,
        "description": "The label of a key of the API",
        "schema": ["type": "string"],
    ]

    private static let introduction = """
        Every path except probes and pages needs the API key, in `X-API-Key` or as a bearer token. The daemon's Unix socket \
        needs no key. Labelled keys (`/keys`) have a role: `metrics` reads `/metrics`, `read` reads all but secrets, `admin` \
        does everything. A key that may not do something gets 403 with the code `role`.

        The daemon reads the first JSON value of a body and ignores the Content-Type. It ignores members that the operation \
        does not know. Answers are compact JSON and end with a line feed. A refusal is an `Error`: `error` and `message` are \
        the same text, and `code` is stable. A method that a path does not have gets 405 with `Allow`. A path that does not \
        exist gets 404 as plain text.

        Every answer carries CORS fields for every origin, and `OPTIONS` of every path gets 200 without a key.
        """
}

extension APITag {
    /// One sentence for the document.
    fileprivate var text: String {
        switch self {
        case .instances: "Tunnels: list, create, control, replace and delete them, and read their logs."
        case .manifest: "What is declared, what a manifest would change, and what the daemon has applied of it."
        case .events: "Server-sent events of instances and of the reconciler. A stream resumes after a given event id."
        case .master: "The daemon, its machine, and the addresses it can reach."
        case .pages: "Probes, metrics and pages. Probes are outside the prefix, where supervisors expect them."
        }
    }
}

extension Operation.Answer {
    /// What every operation behind the key can answer.
    fileprivate static let keyed = [
        Operation.Answer(status: 401, text: "No key, or a wrong one", schema: Schema.reference(ErrorView.self)),
        Operation.Answer(
            status: 429,
            text: "Too many wrong keys from this address. The right key is always accepted",
            schema: Schema.reference(ErrorView.self),
            headers: [.retryAfter]
        ),
    ]
    fileprivate static let roleRefused = Operation.Answer(
        status: 403,
        text: "The role of the key does not allow it",
        schema: Schema.reference(ErrorView.self)
    )
    fileprivate static let withBody = [
        Operation.Answer(
            status: 408,
            text: "The body did not arrive in time",
            schema: Schema.reference(ErrorView.self)
        ),
        Operation.Answer(status: 413, text: "The body is over the limit", schema: Schema.reference(ErrorView.self)),
    ]
}

extension Operation.Header {
    /// Seconds.
    static let retryAfter = Operation.Header(
        name: "Retry-After",
        text: "Seconds to wait before the next attempt",
        schema: ["type": "integer", "minimum": 1]
    )
    static let etag = Operation.Header(
        name: "ETag",
        text: "Identifies this state, for `If-Match`. The API key's row has none",
        isRequired: false,
        schema: Schema.etag
    )
}
