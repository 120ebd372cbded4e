package import Config
import FoundationEssentials

/// What the server answers the client: the JSON body of its 200 reply.
///
/// Source: NodePass v1.14 for `flow`, `max`, `tls` and `type`; `ext` and `session` are ours.
package struct HandshakeTerms: Sendable, Hashable {
    package var flow: TunnelFlow
    /// Idle links the server accepts.
    package var max: Int
    /// 0 off, 1 self-signed, 2 certificate files.
    package var tls: Int
    package var transport: PoolTransport
    /// What the server could have instead, in its order; empty where it did not say.
    package var offers: [PoolTransport] = []
    package var extensions: Set<SessionExtension> = []
    /// 16 random bytes, empty for a peer without extensions.
    package var nonce: [UInt8] = []

    package init(
        flow: TunnelFlow,
        max: Int,
        tls: Int,
        transport: PoolTransport,
        offers: [PoolTransport] = [],
        extensions: Set<SessionExtension> = [],
        nonce: [UInt8] = []
    ) {
        self.flow = flow
        self.max = max
        self.tls = tls
        self.transport = transport
        self.offers = offers
        self.extensions = extensions
        self.nonce = nonce
    }

    /// The reply's body, with the line feed NodePass writes.
    package var body: String {
        var members = [
            JSONValue.Member("flow", .string(flow.rawValue)),
            JSONValue.Member("max", .int(Int64(max))),
            JSONValue.Member("tls", .string(String(tls))),
            JSONValue.Member("type", .string(transport.codeText)),
        ]
        if offers.count > 1 {
            members.append(JSONValue.Member("types", .array(offers.map { .string($0.codeText) })))
        }
        if !extensions.isEmpty {
            let names = SessionExtension.allCases.filter(extensions.contains).map(\.rawValue)
            members.append(JSONValue.Member("ext", .array(names.map(JSONValue.string))))
            members.append(JSONValue.Member("session", .string(Hex.text(nonce))))
        }
        return JSONValue.object(members).compactText + "\n"
    }

    /// Reads a reply's body; the problem is for a log.
    package init(body: [UInt8]) throws(HandshakeProblem) {
        guard let fields = try? JSONDecoder().decode(Fields.self, from: Data(body)) else {
            throw .malformed("the reply is not the JSON object a NodePass server sends")
        }
        guard let flow = TunnelFlow(rawValue: fields.flow) else { throw .malformed("unknown flow '\(fields.flow)'") }
        guard let tls = Int(fields.tls), (0...2).contains(tls) else { throw .malformed("unknown tls '\(fields.tls)'") }
        self.init(flow: flow, max: Swift.max(fields.max, 1), tls: tls, transport: PoolTransport(code: fields.type))
        offers = (fields.types ?? []).prefix(PoolTransport.limit).map(PoolTransport.init(code:))
        let named = Set((fields.ext ?? []).compactMap(SessionExtension.init))
        guard !named.isEmpty, let nonce = fields.session.flatMap(Hex.bytes),
            nonce.count == SessionSecret.nonceLengthBytes
        else { return }
        extensions = named
        self.nonce = nonce
    }

    private struct Fields: Decodable {
        let flow: String
        let max: Int
        let tls: String
        let type: String
        var types: [String]?
        var ext: [String]?
        var session: String?
    }
}
