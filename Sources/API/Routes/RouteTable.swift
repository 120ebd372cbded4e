import Config
import HTTPTypes
import Hummingbird

/// One path of the API and what can be done there; the router and the OpenAPI document are made from the same list.
struct Resource: Sendable {
    enum Access: Sendable {
        /// The API key, or the Unix socket.
        case key
        case open
    }

    /// Below the prefix and `v1`: `/instances/{id}`; outside it for probes.
    let path: String
    let tag: APITag
    let access: Access
    let operations: [Operation]
    /// Throws when what the path names does not exist: NodePass checks that before it checks the method.
    var lookup: (@Sendable (APIRequestContext) async throws -> Void)?
}

/// A group of resources in the document, in the order of the document.
enum APITag: String, Sendable, CaseIterable {
    case instances = "Instances"
    case manifest = "Manifest and reconciling"
    case events = "Events"
    case master = "Master"
    case pages = "Probes and pages"
}

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

    /// A documented answer; without `schema` and `events` it has no body, or one that is plain text.
    struct Answer: Sendable {
        let status: Int
        let text: String
        var schema: JSONValue?
        var type = "application/json"
        /// Schemas of the server-sent events it consists of, where it is a stream or a parameter makes it one.
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

extension Router where Context == APIRequestContext {
    /// Registers each resource for every method: the missing ones answer 405, OPTIONS is a preflight.
    func register(_ resources: [Resource], below prefix: String, auth: APIKeyAuth) {
        for resource in resources {
            let group = self.group(RouterPath(prefix + resource.path))
            group.add(middleware: ErrorResponses())
            if resource.access == .key { group.add(middleware: auth) }
            let byMethod = Dictionary(grouping: resource.operations, by: \.method).compactMapValues(\.first)
            for method in Self.methods {
                group.on("", method: method, use: byMethod[method]?.handler ?? resource.refusal)
            }
        }
    }

    /// Every method the HTTP parser lets through.
    private static var methods: [HTTPRequest.Method] {
        let names = [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "ACL", "BIND", "CHECKOUT",
            "COPY", "LINK", "LOCK", "M-SEARCH", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MOVE", "NOTIFY",
            "PROPFIND", "PROPPATCH", "PURGE", "REBIND", "REPORT", "SEARCH", "SOURCE", "SUBSCRIBE", "UNBIND", "UNLINK",
            "UNLOCK", "UNSUBSCRIBE", "QUERY",
        ]
        return names.compactMap { HTTPRequest.Method($0) }
    }
}

extension Resource {
    fileprivate var refusal: Operation.Handler {
        let allowed = operations.map(\.method) + [.options]
        return { [lookup] _, context in
            try await lookup?(context)
            throw APIError.methodNotAllowed(allowing: allowed)
        }
    }
}
