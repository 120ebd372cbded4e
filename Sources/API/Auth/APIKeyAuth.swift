import Crypto
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Reconciler

/// Lets a request pass that shows an API key, or that came through the Unix socket, with the role it has.
struct APIKeyAuth: RouterMiddleware {
    let identity: DaemonIdentity
    let keys: APIKeyring
    let guesses: BadKeyCounter

    func handle(
        _ request: Request,
        context: APIRequestContext,
        next: @concurrent (Request, APIRequestContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        guard case .address(let address) = context.peer else {
            context.role = .admin
            return try await next(request, context)
        }
        guard let key = shownKey(request.headers) else { throw APIError.keyRequired }
        if isEqual(key, identity.apiKey) {
            context.role = .admin
        } else if let record = keys.find(key, now: Date()) {
            context.role = record.role
            context.keyLabel = record.label
        } else {
            if let wait = guesses.record(address, at: .now) { throw APIError.tooManyBadKeys(retryAfter: wait) }
            throw APIError.keyInvalid
        }
        return try await next(request, context)
    }

    private func shownKey(_ headers: HTTPFields) -> String? {
        if let key = headers[.apiKey], !key.isEmpty { return key }
        let bearer = "bearer "
        guard let value = headers[.authorization], value.lowercased().hasPrefix(bearer) else { return nil }
        let key = value.dropFirst(bearer.count).drop { $0 == " " }
        return key.isEmpty ? nil : String(key)
    }

    /// Compares digests, which takes the same time wherever the texts differ.
    private func isEqual(_ a: String, _ b: String) -> Bool {
        SHA256.hash(data: Array(a.utf8)) == SHA256.hash(data: Array(b.utf8))
    }
}

extension HTTPField.Name {
    /// `X-API-Key`; the name is a constant, so the fallback is never taken.
    static let apiKey = HTTPField.Name("X-API-Key") ?? .authorization
}
