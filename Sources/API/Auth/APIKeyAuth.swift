import Crypto
import HTTPTypes
import Hummingbird
import Reconciler
import Synchronization

/// Lets a request pass that shows the API key, or that came through the Unix socket.
struct APIKeyAuth: RouterMiddleware {
    let identity: DaemonIdentity
    let guesses: BadKeyCounter

    func handle(
        _ request: Request,
        context: APIRequestContext,
        next: @concurrent (Request, APIRequestContext) async throws -> Response
    ) async throws -> Response {
        guard case .address(let address) = context.peer else { return try await next(request, context) }
        guard let key = shownKey(request.headers) else { throw APIError.keyRequired }
        guard isEqual(key, identity.apiKey) else {
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

/// Counts wrong keys per address, so that guessing is slow; a right key is never held back.
package final class BadKeyCounter: Sendable {
    /// Wrong keys an address may show within ``window``.
    package static let allowed = 10
    package static let window = Duration.seconds(60)
    /// Addresses remembered at once; the one seen longest ago makes room.
    package static let addressLimit = 1024

    private struct Entry {
        var count: Int
        var since: ContinuousClock.Instant
    }

    private let entries = Mutex<[String: Entry]>([:])

    package init() {}

    /// How long the address should wait, or nil while it may still try.
    package func record(_ address: String, at now: ContinuousClock.Instant) -> Duration? {
        entries.withLock { entries in
            var entry = entries[address] ?? Entry(count: 0, since: now)
            if entry.since.duration(to: now) >= Self.window { entry = Entry(count: 0, since: now) }
            entry.count += 1
            if entries[address] == nil, entries.count >= Self.addressLimit { Self.forgetOldest(&entries) }
            entries[address] = entry
            return entry.count > Self.allowed ? Self.window - entry.since.duration(to: now) : nil
        }
    }

    private static func forgetOldest(_ entries: inout [String: Entry]) {
        guard let oldest = entries.min(by: { $0.value.since < $1.value.since }) else { return }
        entries[oldest.key] = nil
    }
}
