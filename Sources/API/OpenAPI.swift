import Config
import HTTPTypes

/// The OpenAPI 3.1 document, made from the table the router is made from.
struct OpenAPI {
    /// Below prefix and version; probes stand outside it.
    let api: [Resource]
    let probes: [Resource]
    /// `/api/v1`.
    let base: String

    var document: JSONValue {
        .object([
            "openapi": "3.1.0",
            "info": .object([
                "title": "nodepass",
                "version": .string(Version.api),
                "description": "Tunnels of this daemon: NodePass's master API, and what a declarative one adds.",
            ]),
            "servers": .array([.object(["url": "/"])]),
            "security": .array([.object(["key": .array([])]), .object(["bearer": .array([])])]),
            "paths": .object(
                api.map { JSONValue.Member(base + $0.path, path($0)) }
                    + probes.map { JSONValue.Member($0.path, path($0)) }
            ),
            "components": .object([
                "securitySchemes": .object([
                    "key": .object(["type": "apiKey", "in": "header", "name": "X-API-Key"]),
                    "bearer": .object(["type": "http", "scheme": "bearer"]),
                ]),
                "schemas": Schema.components,
            ]),
        ])
    }

    private func path(_ resource: Resource) -> JSONValue {
        var members: [JSONValue.Member] = []
        if resource.path.contains("{id}") {
            members.append(JSONValue.Member("parameters", .array([Self.idParameter])))
        }
        members += resource.operations.map { operation in
            JSONValue.Member(operation.method.rawValue.lowercased(), self.operation(operation, of: resource))
        }
        return .object(members)
    }

    private func operation(_ operation: Operation, of resource: Resource) -> JSONValue {
        var members: [JSONValue.Member] = [
            JSONValue.Member("operationId", .string(operation.id)),
            JSONValue.Member("summary", .string(operation.summary)),
        ]
        if resource.access == .open { members.append(JSONValue.Member("security", .array([]))) }
        if !operation.parameters.isEmpty {
            members.append(JSONValue.Member("parameters", .array(operation.parameters.map(parameter))))
        }
        if let body = operation.body {
            let content = JSONValue.object(["application/json": .object(["schema": Schema.reference(body)])])
            members.append(JSONValue.Member("requestBody", .object(["required": true, "content": content])))
        }
        if let text = operation.text {
            let content = content("application/yaml", .object(["type": "string", "description": .string(text)]))
            members.append(
                JSONValue.Member("requestBody", .object(["required": false, "content": .object([content])]))
            )
        }
        members.append(JSONValue.Member("responses", responses(of: operation, access: resource.access)))
        return .object(members)
    }

    private func responses(of operation: Operation, access: Resource.Access) -> JSONValue {
        var answers = operation.answers
        if access == .key { answers += Operation.Answer.keyed }
        if operation.body != nil || operation.text != nil { answers += Operation.Answer.withBody }
        let members = answers.sorted { $0.status < $1.status }.map { answer in
            JSONValue.Member(String(answer.status), self.answer(answer))
        }
        return .object(members)
    }

    private func answer(_ answer: Operation.Answer) -> JSONValue {
        var forms: [JSONValue.Member] = []
        if let schema = answer.schema {
            forms.append(content(answer.type, schema))
        } else if answer.type != "application/json" {
            forms.append(content(answer.type, .object(["type": "string"])))
        }
        if let stream = answer.streamType { forms.append(content(stream, .object(["type": "string"]))) }
        let description = JSONValue.Member("description", .string(answer.text))
        return .object([description] + (forms.isEmpty ? [] : [JSONValue.Member("content", .object(forms))]))
    }

    private func content(_ type: String, _ schema: JSONValue) -> JSONValue.Member {
        JSONValue.Member(type, .object(["schema": schema]))
    }

    private func parameter(_ field: Operation.QueryField) -> JSONValue {
        .object([
            "name": .string(field.name),
            "in": .string(field.place),
            "description": .string(field.text),
            "required": .bool(field.isRequired),
            "schema": field.schema,
        ])
    }

    private static let idParameter = JSONValue.object([
        "name": "id",
        "in": "path",
        "required": true,
        "description": "8 lower-case hex digits; eight asterisks are the API key's row",
        "schema": .object(["type": "string", "pattern": "^([0-9a-f]{8}|\\*{8})$"]),
    ])
}

extension Operation.Answer {
    /// What every operation behind the key can answer.
    fileprivate static let keyed = [
        Operation.Answer(status: 401, text: "No key, or a wrong one", schema: Schema.reference("Error")),
        Operation.Answer(status: 429, text: "Too many wrong keys from this address", schema: Schema.reference("Error")),
    ]
    fileprivate static let withBody = [
        Operation.Answer(status: 408, text: "The body did not arrive in time", schema: Schema.reference("Error")),
        Operation.Answer(status: 413, text: "The body is over the limit", schema: Schema.reference("Error")),
    ]
}
