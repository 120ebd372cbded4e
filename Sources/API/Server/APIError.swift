package import Config
package import HTTPTypes
package import Hummingbird
import NIOCore

/// A refusal: the status, NodePass's text for it, a stable code, and what helps to fix the request.
package struct APIError: Error, Sendable {
    package let status: HTTPResponse.Status
    package let text: String
    package let code: String
    /// The line that owns a declared tunnel.
    package var source: SourceLocation?
    package var details: [Diagnostic] = []
    package var headers = HTTPFields()

    package init(_ status: HTTPResponse.Status, _ code: String, _ text: String) {
        self.status = status
        self.code = code
        self.text = text
    }

    package var response: Response {
        var response = Response.json(ErrorView.object(self), status: status)
        response.headers.append(contentsOf: headers)
        return response
    }
}

extension APIError {
    static let keyRequired = APIError(.unauthorized, "key-required", "Unauthorized: API key required")
    static let keyInvalid = APIError(.unauthorized, "key-invalid", "Unauthorized: Invalid API key")
    static let keyForbidden = APIError(.forbidden, "key-row", "Forbidden: API Key")
    static let bodyInvalid = APIError(.badRequest, "body", "Invalid request body")
    static func bodyInvalid(_ path: String, _ problem: String) -> APIError {
        var error = bodyInvalid
        error.details = [Diagnostic(.error, at: nil, path: path, code: "body", problem)]
        return error
    }

    static let bodyTooSlow = APIError(.requestTimeout, "body-too-slow", "Request body did not arrive in time")
    static let idRequired = APIError(.badRequest, "id-required", "Instance ID is required")
    static let instanceNotFound = APIError(.notFound, "not-found", "Instance not found")
    static let urlConflict = APIError(.conflict, "url-conflict", "Instance URL conflict")
    static let targetRequired = APIError(.badRequest, "target-required", "Target address required")
    static let stale = APIError(
        .preconditionFailed,
        "stale",
        "The instance has changed since it was read: read it again and repeat the change"
    )
    static func outside(_ name: String, _ range: ClosedRange<Int>) -> APIError {
        let text = "\(name) takes a number from \(range.lowerBound) to \(range.upperBound)"
        return APIError(.badRequest, "parameter", text)
    }

    static let internalError = APIError(.internalServerError, "internal", "Internal error")

    static let filesNeedSocket = APIError(
        .forbidden,
        "files-need-socket",
        "Files can only be named through the Unix socket: send the manifest as the body"
    )
    static let noManifest = APIError(
        .conflict,
        "no-manifest",
        "The daemon was started without a manifest: send one as the body"
    )

    static func rejected(_ diagnostics: [Diagnostic]) -> APIError {
        var error = APIError(
            .unprocessableContent,
            "manifest-rejected",
            "The manifest was rejected; nothing was changed"
        )
        error.details = diagnostics
        return error
    }

    static func bodyTooLarge(limitBytes: Int) -> APIError {
        APIError(.contentTooLarge, "body-too-large", "Request body exceeds maximum size \(limitBytes)")
    }

    static func tooManyBadKeys(retryAfter: Duration) -> APIError {
        var error = APIError(.tooManyRequests, "too-many-bad-keys", "Too many invalid API keys from this address")
        error.headers[.retryAfter] = String(max(1, retryAfter.components.seconds))
        return error
    }

    static func methodNotAllowed(allowing methods: [HTTPRequest.Method]) -> APIError {
        var error = APIError(.methodNotAllowed, "method", "Method not allowed")
        error.headers[.allow] = methods.map(\.rawValue).joined(separator: ", ")
        return error
    }

    init(_ problem: LabelProblem) {
        self.init(.badRequest, problem.code, problem.message)
    }
}

extension Response {
    /// A JSON answer: exactly `application/json`, one line.
    package static func json(_ value: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status,
            headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: value.compactText + "\n"))
        )
    }

    static func text(_ text: String, type: String = "text/plain; charset=utf-8") -> Response {
        Response(
            status: .ok,
            headers: [.contentType: type],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }
}
