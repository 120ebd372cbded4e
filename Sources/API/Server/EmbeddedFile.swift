import Config
import Crypto
import HTTPTypes
import Hummingbird
import NIOCore

/// A file of the binary, ready to be sent: asked again with its tag, it answers that it has not
/// changed.
struct EmbeddedFile: Sendable {
    private let body: ByteBuffer
    private let headers: HTTPFields
    private let tag: String

    init(_ bytes: [UInt8], type: String, policy: String? = nil) {
        body = ByteBuffer(bytes: bytes)
        tag = "\"\(Hex.text(SHA256.hash(data: bytes).prefix(8)))\""
        var headers: HTTPFields = [
            .contentType: "\(type); charset=utf-8", .xContentTypeOptions: "nosniff", .eTag: tag,
            // Another version of the daemon has other files under the same names.
            .cacheControl: "no-cache",
        ]
        headers[.contentSecurityPolicy] = policy
        headers[.referrerPolicy] = policy.map { _ in "no-referrer" }
        self.headers = headers
    }

    func answer(to request: Request) -> Response {
        guard request.headers[.ifNoneMatch] != tag else { return Response(status: .notModified, headers: headers) }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: body))
    }
}

extension HTTPField.Name {
    /// `Referrer-Policy`; the name is a constant, so the fallback is never taken.
    fileprivate static let referrerPolicy = HTTPField.Name("Referrer-Policy") ?? .cacheControl
}
