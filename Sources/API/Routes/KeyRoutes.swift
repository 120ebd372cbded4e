import Config
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Reconciler

/// `/keys`: the labelled keys of the API.
struct KeyRoutes: Sendable {
    let keys: APIKeyring

    var resources: [Resource] {
        [
            Resource(path: "/keys", tag: .master, access: .key, operations: [listOperation, createOperation]),
            Resource(path: "/keys/{label}", tag: .master, access: .key, operations: [revokeOperation]),
        ]
    }

    private var listOperation: Operation {
        Operation(
            method: .get,
            id: "listKeys",
            summary: "List the labelled keys of the API",
            role: .admin,
            answers: [.init(status: 200, text: "The keys", schema: Schema.reference(APIKeysView.self))]
        ) { _, _ in .json(APIKeysView.object(keys.list(now: Date()))) }
    }

    private var createOperation: Operation {
        Operation(
            method: .post,
            id: "createKey",
            summary: "Make a labelled key with a role",
            details: "The key is in this answer and nowhere else: its digest is what is stored.",
            body: "APIKeyCreation",
            examples: [
                .init(name: "metrics", text: "For Prometheus", value: ["label": "prometheus", "role": "metrics"])
            ],
            answers: [
                .init(status: 201, text: "The new key", schema: Schema.reference(APIKeyView.self)),
                .badRequest,
                .conflict,
                .unstored,
                .full,
            ],
            handler: create
        )
    }

    private var revokeOperation: Operation {
        Operation(
            method: .delete,
            id: "revokeKey",
            summary: "Revoke a labelled key",
            answers: [
                .init(status: 204, text: "It no longer works"),
                .notFound,
                .unstored,
                .full,
            ],
            handler: revoke
        )
    }

    private func create(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        let body = try await request.json()
        let label = body["label"]?.stringValue ?? ""
        guard let role = body["role"]?.stringValue.flatMap(APIRole.init) else {
            let roles = APIRole.allCases.map(\.rawValue).joined(separator: ", ")
            throw APIError.bodyInvalid("role", "a role is one of \(roles)")
        }
        var end: Date?
        if let text = body["ttl"]?.stringValue {
            guard let lifetime = GoDuration.parse(text), lifetime > .zero else {
                throw APIError.bodyInvalid("ttl", "'\(text)' is not a duration; write 720h or 30d")
            }
            end = Date() + lifetime / .seconds(1)
        }
        do throws(APIKeyProblem) {
            let made = try keys.create(label: label, role: role, expires: end, now: Date())
            return .json(APIKeyView.object(APIKeyView.Source(record: made.record, key: made.key)), status: .created)
        } catch {
            throw APIError(error)
        }
    }

    private func revoke(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        do throws(APIKeyProblem) {
            try keys.revoke(PercentCoding.decodeLeniently(context.parameters.get("label") ?? ""), now: Date())
        } catch {
            throw APIError(error)
        }
        return Response(status: .noContent)
    }
}

extension APIError {
    init(_ problem: APIKeyProblem) {
        switch problem {
        case .label:
            let form = "a label has up to \(APIKeyring.labelLimit) letters, digits and -_."
            self = .bodyInvalid("label", "\(form), and is not '\(APIKeyring.formerLabel)'")
        case .taken: self.init(.conflict, "key-label", "A key with this label exists: revoke it first")
        case .tooMany: self.init(.conflict, "too-many", "There are \(APIKeyring.limit) keys, the most that is accepted")
        case .unknown: self.init(.notFound, "not-found", "No key has this label")
        case .storage(let error): self.init(MutationError.storage(error))
        }
    }

    /// The key is right, and may not do this.
    static func roleForbidden(_ role: APIRole, needed: APIRole) -> APIError {
        APIError(
            .forbidden,
            "role",
            "Forbidden: this key has the role \(role.rawValue), and the request needs the role \(needed.rawValue)"
        )
    }
}
