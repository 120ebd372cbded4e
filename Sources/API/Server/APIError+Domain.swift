import Config
import HTTPTypes
package import Reconciler

extension HTTPResponse.Status {
    static let multiStatus = HTTPResponse.Status(code: 207, reasonPhrase: "Multi-Status")
    static let storageFull = HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage")
}

/// What the layers below refuse, in HTTP's terms.
extension APIError {
    package init(_ error: MutationError) {
        switch error {
        case .notFound:
            self = .instanceNotFound
        case .invalid(let message, let code):
            self.init(.badRequest, code, message)
        case .conflict(let message):
            self.init(.conflict, "conflict", message)
        case .denied(let source):
            let place = source.map { " at \($0.fileAndLine)" } ?? ""
            // Not 409: the Apple app takes that for "it has this URL already".
            self.init(.forbidden, "denied", "Declared\(place), where overrides are denied: edit the declaration")
            self.source = source
        case .stale:
            self = .stale
        case .storage(.full(let path)):
            let problem = StateStoreError.full(path: path)
            self.init(.storageFull, "storage-full", "Nothing was changed: \(problem)")
        case .storage(let error):
            self.init(.serviceUnavailable, "storage", "Nothing was changed: \(error)")
        case .tooMany(let limit):
            self.init(.conflict, "too-many", "The daemon holds \(limit) instances, which is the most it accepts")
        }
    }

    /// NodePass's two texts; `details` holds what exactly is wrong.
    init(_ error: TunnelURLError) {
        switch error {
        case .scheme: self.init(.badRequest, "url-scheme", "Invalid URL scheme")
        case .syntax, .invalid: self.init(.badRequest, "url-format", "Invalid URL format")
        }
        details = error.diagnostics
    }

    static func specInvalid(_ diagnostics: [Diagnostic]) -> APIError {
        var error = APIError(.badRequest, "spec", "Invalid tunnel specification")
        error.details = diagnostics
        return error
    }

    static var tooManySubscribers: APIError {
        var error = APIError(.serviceUnavailable, "too-many-subscribers", "Too many event streams are open")
        error.headers[.retryAfter] = "30"
        return error
    }
}
