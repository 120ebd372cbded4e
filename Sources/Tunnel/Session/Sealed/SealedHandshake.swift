import Config
import Crypto
import FoundationEssentials
import NIOCore

/// The sealed handshake of two ends of ours, as values.
///
/// What is sent, what is expected, and what both then share; docs/protocol.md describes it.
/// It runs inside TLS 1.3 whose certificate need not be trusted: the certificate as each end sees it is
/// part of what both prove, so that someone in the middle, who shows another one, proves nothing. The
/// proof is CPace, not a code made with the tunnel key, because such a code would let anyone who asks
/// for it try keys at leisure.
enum SealedHandshake {
    /// The `Upgrade` token (RFC 9110 §7.8) that asks for it.
    static let protocolName = "nodepass-sealed/1"
    static let nonceBytes = SessionSecret.nonceLengthBytes
    static let tagBytes = 32
    /// The longest message after its length.
    static let messageLimitBytes = 8192

    static func makeNonce() -> [UInt8] { SessionSecret.makeNonce() }

    /// Why it came to nothing.
    enum Problem: Error, Hashable {
        /// The peer has another tunnel key, or someone between the ends shows another certificate.
        case notProven
        case malformed(String)
    }

    /// What both ends know in public when TLS is up; where they differ, neither proves anything to the other.
    struct Channel: Hashable {
        /// The head of the client's request and of the server's answer, as this end sent or received them.
        ///
        /// Empty where a proxy in between may rewrite them.
        var requestHead: [UInt8]
        /// As the client names the service it means, or nil.
        var service: String?
        var replyHead: [UInt8]
        var clientNonce: [UInt8]
        var serverNonce: [UInt8]
        /// SHA-256 of the server's certificate (DER), as this end has or sees it.
        var certificateDigest: [UInt8]

        fileprivate var text: [UInt8] {
            Array(SealedHandshake.protocolName.utf8)
                + Array(SHA256.hash(data: requestHead)) + Array(SHA256.hash(data: replyHead)) + certificateDigest
                + Array((service ?? "").utf8)
        }

        fileprivate func exchange(key: String) throws(Problem) -> CPace {
            do {
                return try CPace(key: Array(key.utf8), channel: text, sessionID: clientNonce + serverNonce)
            } catch {
                throw .malformed("no exchange can be made of this key")
            }
        }
    }

    /// What the ends share once each has proven itself.
    struct Secrets {
        private let shared: SymmetricKey

        fileprivate init(_ exchange: CPace, peer: [UInt8], side: SessionSide) throws(Problem) {
            do {
                shared = SymmetricKey(data: try exchange.secret(peer: peer, isInitiator: side == .client))
            } catch {
                throw .malformed("the peer's share is a point of low order")
            }
        }

        /// The proof that a side knows the key: 32 bytes.
        fileprivate func tag(of side: SessionSide) -> [UInt8] {
            derive("nodepass sealed proof of \(side.rawValue)").withUnsafeBytes { Array($0) }
        }

        /// Encrypts this side's message behind the proofs; each side has one, so that its key is used once.
        ///
        /// TLS does so too, but a stolen private key of the certificate must not be enough to change terms.
        func seal(_ message: [UInt8], from side: SessionSide) -> [UInt8] {
            let box = try? ChaChaPoly.seal(message, using: messageKey(side), nonce: Self.nonce)
            return box.map { Array($0.ciphertext + $0.tag) } ?? []
        }

        func open(_ bytes: [UInt8], from side: SessionSide) throws(Problem) -> [UInt8] {
            let tagBytes = 16
            guard bytes.count >= tagBytes, let nonce = Self.nonce,
                let box = try? ChaChaPoly.SealedBox(
                    nonce: nonce,
                    ciphertext: bytes.dropLast(tagBytes),
                    tag: bytes.suffix(tagBytes)
                ), let message = try? ChaChaPoly.open(box, using: messageKey(side))
            else { throw .notProven }
            return Array(message)
        }

        private func messageKey(_ side: SessionSide) -> SymmetricKey {
            derive("nodepass sealed message of \(side.rawValue)")
        }

        private static var nonce: ChaChaPoly.Nonce? { try? ChaChaPoly.Nonce(data: [UInt8](repeating: 0, count: 12)) }

        /// What the session's links and signals are keyed with, in place of the tunnel key.
        var sessionKey: SymmetricKey { derive("nodepass sealed session") }

        private func derive(_ label: String) -> SymmetricKey {
            HKDF<SHA256>.deriveKey(inputKeyMaterial: shared, info: Array(label.utf8), outputByteCount: tagBytes)
        }
    }

    fileprivate static func areEqual(_ tag: some Sequence<UInt8>, _ other: [UInt8]) -> Bool {
        SHA256.hash(data: Array(tag)) == SHA256.hash(data: other)
    }
}

/// The client's half: `hello` is sent first, `prove` answers the server's proof, `terms` reads its answer.
struct SealedClient {
    private let exchange: CPace
    let hello: [UInt8]

    init(key: String, channel: SealedHandshake.Channel) throws(SealedHandshake.Problem) {
        exchange = try channel.exchange(key: key)
        hello = exchange.share
    }

    /// Checks the server's proof and gives what to send: the own proof, then the request.
    func prove(
        _ message: [UInt8],
        request: SealedRequest
    ) throws(SealedHandshake.Problem) -> (message: [UInt8], secrets: SealedHandshake.Secrets) {
        guard message.count == CPace.shareBytes + SealedHandshake.tagBytes else {
            throw .malformed("the server's proof has \(message.count) bytes")
        }
        let share = Array(message.prefix(CPace.shareBytes))
        let secrets = try SealedHandshake.Secrets(exchange, peer: share, side: .client)
        guard SealedHandshake.areEqual(message.dropFirst(CPace.shareBytes), secrets.tag(of: .server)) else {
            throw .notProven
        }
        return (secrets.tag(of: .client) + secrets.seal(request.bytes, from: .client), secrets)
    }
}

/// The server's half: `proof` answers a client's `hello`, `request` checks its proof and reads what it asks.
///
/// Anyone who has seen `proof` has had one guess at the key, whether or not a `request` follows.
struct SealedServer {
    private let secrets: SealedHandshake.Secrets
    let proof: [UInt8]

    init(key: String, channel: SealedHandshake.Channel, hello: [UInt8]) throws(SealedHandshake.Problem) {
        guard hello.count == CPace.shareBytes else { throw .malformed("the client's hello has \(hello.count) bytes") }
        let exchange = try channel.exchange(key: key)
        secrets = try SealedHandshake.Secrets(exchange, peer: hello, side: .server)
        proof = exchange.share + secrets.tag(of: .server)
    }

    func request(
        _ message: [UInt8]
    ) throws(SealedHandshake.Problem) -> (request: SealedRequest, secrets: SealedHandshake.Secrets) {
        guard message.count > SealedHandshake.tagBytes else {
            throw .malformed("the client's proof has \(message.count) bytes")
        }
        guard SealedHandshake.areEqual(message.prefix(SealedHandshake.tagBytes), secrets.tag(of: .client)) else {
            throw .notProven
        }
        let request = try secrets.open(Array(message.dropFirst(SealedHandshake.tagBytes)), from: .client)
        return (try SealedRequest(request), secrets)
    }
}

/// What a client asks for once it is proven.
struct SealedRequest: Hashable {
    /// Names one client for as long as it lives, so that its return is not taken for a second client.
    var clientID: String
    var extensions: Set<SessionExtension>
    /// Kinds of links that it has lately tried in vain, or cannot have.
    var unreachable: Set<PoolTransport>
    /// How long the answer may take while another client has the tunnel; in whole milliseconds.
    var wait: Duration

    init(
        clientID: String,
        extensions: Set<SessionExtension> = Set(SessionExtension.allCases),
        unreachable: Set<PoolTransport> = [],
        wait: Duration = .zero
    ) {
        self.clientID = clientID
        self.unreachable = unreachable
        self.extensions = extensions
        self.wait = wait
    }

    private struct Fields: Codable {
        let client: String
        let ext: [String]
        var not: [String]?
        var wait: Int?
    }

    var bytes: [UInt8] {
        let names = SessionExtension.allCases.filter(extensions.contains).map(\.rawValue)
        var members = [
            JSONValue.Member("client", .string(clientID)),
            JSONValue.Member("ext", .array(names.map(JSONValue.string))),
        ]
        if !unreachable.isEmpty {
            let codes = unreachable.map(\.codeText).sorted()
            members.append(JSONValue.Member("not", .array(codes.map(JSONValue.string))))
        }
        if wait > .zero {
            members.append(JSONValue.Member("wait", .int(TimeAmount(wait).nanoseconds / 1_000_000)))
        }
        return Array(JSONValue.object(members).compactText.utf8)
    }

    init(_ bytes: [UInt8]) throws(SealedHandshake.Problem) {
        guard let fields = try? JSONDecoder().decode(Fields.self, from: Data(bytes)), !fields.client.isEmpty else {
            throw .malformed("the client's request is not the JSON object a client sends")
        }
        clientID = String(fields.client.prefix(64))
        extensions = Set(fields.ext.compactMap(SessionExtension.init))
        unreachable = Set((fields.not ?? []).prefix(PoolTransport.limit).map(PoolTransport.init(code:)))
        // Bounded before it is a duration: a server has a shorter limit of its own.
        wait = .milliseconds(min(max(0, fields.wait ?? 0), 60_000))
    }
}

/// Messages of the sealed handshake: a length of two bytes, big-endian, and so many bytes.
struct SealedFrames {
    private var held: [UInt8] = []

    /// The bytes of one message on the wire.
    static func encode(_ message: [UInt8]) -> [UInt8] {
        [UInt8(message.count >> 8), UInt8(message.count & 0xff)] + message
    }

    /// Takes what came and gives the message when all of it is there; the peer has to wait for an answer
    /// before it sends more, so that bytes behind a message are an error.
    mutating func append(_ bytes: some Sequence<UInt8>) throws(SealedHandshake.Problem) -> [UInt8]? {
        held += bytes
        guard held.count >= 2 else { return nil }
        let length = Int(held[0]) << 8 | Int(held[1])
        guard length <= SealedHandshake.messageLimitBytes else { throw .malformed("a message of \(length) bytes") }
        guard held.count <= length + 2 else { throw .malformed("bytes behind a message") }
        guard held.count == length + 2 else { return nil }
        defer { held = [] }
        return Array(held.dropFirst(2))
    }
}
