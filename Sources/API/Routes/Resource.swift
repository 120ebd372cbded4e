import HTTPTypes
import Hummingbird

/// One path of the API and what can be done there; the router and the OpenAPI document are made
/// from the same list.
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
    /// Throws when what the path names does not exist: NodePass checks that before it checks the
    /// method.
    var lookup: (@Sendable (APIRequestContext) async throws -> Void)?
}

extension Resource {
    var refusal: Operation.Handler {
        let allowed = operations.map(\.method) + [.options]
        return { [lookup] _, context in
            try await lookup?(context)
            throw APIError.methodNotAllowed(allowing: allowed)
        }
    }
}
