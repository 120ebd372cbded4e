import Config
import HTTPTypes
import Hummingbird
import NIOCore

extension Request {
    /// The whole body as JSON; the content type does not matter, what follows the first value
    /// neither.
    func json() async throws -> JSONValue {
        let bytes = try await wholeBody(limitBytes: APILimits.bodyBytes)
        do throws(JSONParser.Failure) {
            return try JSONParser.parse(bytes).trimmingLineEnds
        } catch {
            var refusal = APIError.bodyInvalid
            refusal.details = [
                Diagnostic(.error, at: nil, path: "", code: "json", "\(error.problem), at byte \(error.offset)")
            ]
            throw refusal
        }
    }

    /// The whole body as text; empty where there is none.
    func text(limitBytes: Int) async throws -> String {
        String(decoding: try await wholeBody(limitBytes: limitBytes), as: UTF8.self)
    }

    private func wholeBody(limitBytes: Int) async throws -> [UInt8] {
        let body = self.body
        return try await withThrowingTaskGroup(of: [UInt8].self) { group in
            group.addTask {
                var bytes: [UInt8] = []
                var count = 0
                for try await chunk in body {
                    count += chunk.readableBytes
                    if count <= limitBytes { bytes += chunk.readableBytesView }
                    if count > limitBytes + APILimits.discardedBodyBytes { break }
                }
                guard count <= limitBytes else { throw APIError.bodyTooLarge(limitBytes: limitBytes) }
                return bytes
            }
            group.addTask {
                try await Task.sleep(for: APILimits.bodyDeadline)
                throw APIError.bodyTooSlow
            }
            defer { group.cancelAll() }
            return try await group.next() ?? []
        }
    }

    /// A query parameter's decoded value; the last one if it is repeated.
    func query(_ name: String) -> String? { queries(name).last }

    /// Every value of a query parameter that may be repeated.
    func queries(_ name: String) -> [String] {
        QueryString(uri.query ?? "").values(name)
    }

    /// The event after which a stream resumes.
    ///
    /// A header field that is not an event id is ignored, because browsers send it without a
    /// program's doing: the stream then begins anew.
    var lastEventID: Int64? {
        get throws(APIError) {
            guard let text = query("lastEventId") else { return headers[.lastEventID].flatMap { Int64($0) } }
            guard let id = Int64(text), id >= 0 else {
                throw APIError(.badRequest, "parameter", "lastEventId takes the id of an event")
            }
            return id
        }
    }

    /// True where `?dryRun=true` asks to validate and answer without doing.
    var isDryRun: Bool {
        get throws(APIError) { try flag("dryRun") }
    }

    /// A query parameter that is true or false.
    ///
    /// Any other word is refused: a misspelled `dryRun` must not change anything.
    func flag(_ name: String) throws(APIError) -> Bool {
        switch query(name) {
        case "true", "1": return true
        case nil, "false", "0": return false
        default: throw APIError(.badRequest, "parameter", "\(name) takes true or false")
        }
    }

    /// How long an override is to last (`?ttl=30m`); nil without the parameter.
    func overrideLifetime() throws(APIError) -> Duration? { try duration("ttl") }

    /// A query parameter that is a duration; nil where it is not given.
    func duration(_ name: String) throws(APIError) -> Duration? {
        guard let text = query(name) else { return nil }
        guard let duration = GoDuration.parse(text), duration > .zero else {
            throw APIError(.badRequest, name, "Invalid \(name): '\(text)' is not a duration such as 30m or 2h")
        }
        return duration
    }

    /// The state the caller has seen, as `If-Match` names it; nil where every state is fine.
    var expectedState: String? {
        guard let value = headers[.ifMatch] else { return nil }
        let tag = value.drop { $0 == " " || $0 == "\"" || $0 == "W" || $0 == "/" }.prefix { $0 != "\"" && $0 != " " }
        return tag == "*" ? nil : String(tag)
    }
}

extension HTTPField.Name {
    /// The name is a constant, so the fallback is never taken.
    static let lastEventID = HTTPField.Name("Last-Event-ID") ?? .eTag
}
