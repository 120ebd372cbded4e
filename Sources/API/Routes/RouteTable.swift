import HTTPTypes
import Hummingbird

extension Router where Context == APIRequestContext {
    /// Registers each resource for every method; those it does not have answer 405.
    func register(_ resources: [Resource], below prefix: String, auth: APIKeyAuth, failures: FailureLog) {
        for resource in resources {
            let group = self.group(RouterPath(prefix + resource.path))
            group.add(middleware: ErrorResponses(failures: failures))
            if resource.access == .key { group.add(middleware: auth) }
            let byMethod = Dictionary(grouping: resource.operations, by: \.method).compactMapValues(\.first)
            for method in Self.methods {
                let operation = byMethod[method]
                let handler = resource.access == .key ? operation.map { $0.perform } : operation?.handler
                group.on("", method: method, use: handler ?? resource.refusal)
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
