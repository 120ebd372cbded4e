import Config
import HTTPTypes
import Hummingbird
import NIOCore

extension Request {
    /// The whole body as JSON; the content type does not matter, what follows the first value neither.
    func json() async throws -> JSONValue {
        let bytes = try await wholeBody()
        do throws(JSONParser.Failure) {
            return try JSONParser.parse(bytes)
        } catch {
            var refusal = APIError.bodyInvalid
            refusal.details = [
                Diagnostic(.error, at: nil, path: "", code: "json", "\(error.problem), at byte \(error.offset)")
            ]
            throw refusal
        }
    }

    private func wholeBody() async throws -> [UInt8] {
        let body = self.body
        return try await withThrowingTaskGroup(of: [UInt8].self) { group in
            group.addTask {
                var bytes: [UInt8] = []
                var count = 0
                for try await chunk in body {
                    count += chunk.readableBytes
                    if count <= APILimits.bodyBytes { bytes += chunk.readableBytesView }
                    if count > APILimits.discardedBodyBytes { break }
                }
                guard count <= APILimits.bodyBytes else { throw APIError.bodyTooLarge }
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

    /// A query parameter's decoded value; the last one where it stands twice.
    func query(_ name: String) -> String? {
        var found: String?
        for pair in (uri.query ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard FormCoding.decoded(parts[0]) == name else { continue }
            found = parts.count == 2 ? FormCoding.decoded(parts[1]) : ""
        }
        return found
    }

    /// True where `?dryRun=true` asks to validate and answer without doing.
    var isDryRun: Bool { query("dryRun") == "true" || query("dryRun") == "1" }

    /// How long an override shall stand (`?ttl=30m`); nil where nothing is said.
    func overrideLifetime() throws(APIError) -> Duration? {
        guard let text = query("ttl") else { return nil }
        guard let duration = GoDuration.parse(text), duration > .zero else {
            throw APIError(.badRequest, "ttl", "Invalid ttl: \(text)")
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

/// Percent-decoding as forms do it: `+` is a space, what is no escape stays as it is.
package enum FormCoding {
    package static func decoded(_ text: some StringProtocol, plusIsSpace: Bool = true) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), let byte = hex(bytes[(index + 1)...].prefix(2)) {
                result.append(byte)
                index += 3
                continue
            }
            result.append(plusIsSpace && bytes[index] == UInt8(ascii: "+") ? 0x20 : bytes[index])
            index += 1
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func hex(_ bytes: ArraySlice<UInt8>) -> UInt8? {
        let digits = String(decoding: bytes, as: UTF8.self)
        return digits.count == 2 && digits.allSatisfy(\.isHexDigit) ? UInt8(digits, radix: 16) : nil
    }
}
