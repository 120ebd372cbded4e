import Config
import HTTPTypes
import Hummingbird

/// One method of a resource: how it is documented and what it does.
struct Operation: Sendable {
    typealias Handler = @Sendable (Request, APIRequestContext) async throws -> Response

    let method: HTTPRequest.Method
    let id: String
    let summary: String
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
