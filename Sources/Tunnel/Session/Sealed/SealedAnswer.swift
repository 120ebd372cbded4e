import Config
import FoundationEssentials

/// The last message of the sealed handshake: what the server answers a client that is proven.
enum SealedAnswer: Hashable {
    case terms(HandshakeTerms)
    /// With the status that the handshake of v1.14 would have.
    case refused(status: Int, String)

    init(_ answer: HandshakeAnswer) {
        switch answer {
        case .terms(let terms): self = .terms(terms)
        case .refused(let refusal): self = .refused(status: refusal.status, refusal.body)
        }
    }

    private struct Refusal: Decodable {
        let status: Int
        let why: String
    }

    var bytes: [UInt8] {
        switch self {
        case .terms(let terms): return Array(terms.body.utf8)
        case .refused(let status, let why):
            let members = [JSONValue.Member("status", .int(Int64(status))), JSONValue.Member("why", .string(why))]
            return Array(JSONValue.object(members).compactText.utf8)
        }
    }

    init(bytes: [UInt8]) throws(HandshakeProblem) {
        if let refusal = try? JSONDecoder().decode(Refusal.self, from: Data(bytes)) {
            self = .refused(status: refusal.status, HTTPHead.quoted(refusal.why[...], limit: 200))
            return
        }
        let terms = try HandshakeTerms(body: bytes)
        guard terms.extensions.isSuperset(of: SessionExtension.ofEverySealedSession) else {
            throw .malformed("a sealed session without link proofs or sealed signals")
        }
        self = .terms(terms)
    }
}
