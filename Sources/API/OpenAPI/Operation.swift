import Config
import HTTPTypes
import Hummingbird
import Reconciler

/// One method of a resource: how it is documented and what it does.
struct Operation: Sendable {
    typealias Handler = @Sendable (Request, APIRequestContext) async throws -> Response

    let method: HTTPRequest.Method
    let id: String
    let summary: String
    /// The least role of a key that may do it.
    let role: APIRole
    /// What the summary does not say.
    var details: String?
    var parameters: [QueryField] = []
    /// Names a schema of the OpenAPI document; nil without a body.
    var body: String?
    /// What a body that is YAML, and may be absent, holds.
    var yaml: JSONValue?
    /// Bodies to begin with, each under what it is an example of.
    var examples: [Example] = []
    var answers: [Answer]
    let handler: Handler

    /// Without a role, reading is for `read` and the rest for `admin`.
    init(
        method: HTTPRequest.Method,
        id: String,
        summary: String,
        role: APIRole? = nil,
        details: String? = nil,
        parameters: [QueryField] = [],
        body: String? = nil,
        yaml: JSONValue? = nil,
        examples: [Example] = [],
        answers: [Answer],
        handler: @escaping Handler
    ) {
        self.method = method
        self.id = id
        self.summary = summary
        self.role = role ?? (method == .get || method == .head ? .read : .admin)
        self.details = details
        self.parameters = parameters
        self.body = body
        self.yaml = yaml
        self.examples = examples
        self.answers = answers
        self.handler = handler
    }

    /// Does it for a key that may.
    func perform(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        guard context.role >= role else { throw APIError.roleForbidden(context.role, needed: role) }
        return try await handler(request, context)
    }

    /// A documented answer; without `schema` and `events` it has no body, or one that is plain
    /// text.
    struct Answer: Sendable {
        let status: Int
        let text: String
        var schema: JSONValue?
        var type = "application/json"
        /// Schemas of the server-sent events it consists of, where it is a stream or a parameter
        /// makes it one.
        var events: [Event] = []
        var headers: [Header] = []
        /// Ids of the operations that its `id` leads to.
        var links: [String] = []
    }

    /// One kind of server-sent event: its name and the schema of its `data`.
    struct Event: Sendable {
        let name: String
        let schema: String
        /// False for those that are not stored: a stream cannot resume after them.
        var isNumbered = true
    }

    struct Example: Sendable {
        let name: String
        let text: String
        let value: JSONValue
    }

    struct Header: Sendable {
        let name: String
        let text: String
        var isRequired = true
        var schema: JSONValue = ["type": "string"]
    }

    /// A documented parameter of the query or a header field.
    struct QueryField: Sendable {
        let name: String
        let text: String
        var place = "query"
        var isRequired = false
        var schema: JSONValue = ["type": "string"]
    }
}
