import Config
import Testing

@Suite("What a session depends on")
struct SessionIdentityTests {
    /// Another value for each key of the table, beside `base`.
    private static let others: [String: JSONValue] = [
        "role": "client", "tunnel": "10.0.0.1:1001", "target": "10.0.0.8:80", "mode": "forward", "key": "other",
        "tls": "self-signed", "handshake": "compatible", "transport": "quic", "sni": "edge.example.com",
        "path": "/tunnel", "host": "site.example.com", "service": "web", "via": "http://proxy:3128",
        "pool.min": 7,
        "pool.max": 7, "limits.rate": 7, "limits.connections": 7, "timeouts.read": "7s", "timeouts.keepalive": "7s",
        "dns.ttl": "7s", "dial": "10.0.0.9",
        "proxyProtocol": "v1", "block": ["http"], "protocols": ["tcp"], "access.allow": ["10.0.0.0/8"],
        "access.deny": ["10.0.0.0/8"], "drain": "7s", "log": "debug", "alias": "x", "tags": ["a": "b"],
        "peer.sid": "x", "peer.type": "x", "peer.alias": "x", "state": "stopped",
    ]

    /// A server, or a client for the keys that only a client has.
    private func spec(for field: TunnelField, _ value: JSONValue?) throws -> TunnelSpec {
        let role = field.roles.contains(.server) ? "server" : "client"
        var keys: [(path: String, value: JSONValue)] = [
            ("role", .string(role)), ("tunnel", "10.0.0.1:1000"), ("target", "10.0.0.7:80"), ("key", "k"),
            ("mode", role == "server" ? "reverse" : "dual"),
        ]
        if let value {
            keys.removeAll { $0.path == field.path || field.path == "role" && $0.path == "mode" }
            keys.append((field.path, value))
        }
        let members = keys.map { key -> JSONValue.Member in
            let parts = key.path.split(separator: ".").map(String.init)
            return parts.count == 1
                ? .init(parts[0], key.value) : .init(parts[0], .object([.init(parts[1], key.value)]))
        }
        let (declaration, diagnostics) = ManifestReader.test().readTunnel(.object(members), name: "spec")
        return try #require(declaration, "\(diagnostics)").spec
    }

    @Test("every key of the table is tried")
    func complete() {
        #expect(Set(ManifestSchema.fields.map(\.path)) == Set(Self.others.keys))
    }

    @Test(
        "a key changes it exactly when the table says that its change needs a new session",
        arguments: others.keys.sorted()
    )
    func field(path: String) throws {
        let field = try #require(ManifestSchema.fields.first { $0.path == path })
        let (before, after) = (try spec(for: field, nil), try spec(for: field, Self.others[path]))
        if field.changeClass != .meta, path != "state" { #expect(before != after) }
        #expect((SessionIdentity(before) != SessionIdentity(after)) == (field.changeClass >= .session), "\(path)")
        #expect(SessionIdentity(before) == SessionIdentity(try spec(for: field, nil)))
    }

    @Test("in mode auto the address where users may come in decides the mode, and only the first one")
    func automatic() throws {
        func identity(_ targets: String) throws -> SessionIdentity {
            SessionIdentity(try TunnelURL.parse("server://k@:1000/\(targets)").spec)
        }
        #expect(try identity("10.0.0.7:80,10.0.0.8:80") != identity("10.0.0.8:80,10.0.0.8:80"))
        #expect(try identity("10.0.0.7:80,10.0.0.8:80") == identity("10.0.0.7:80,10.0.0.9:80"))
    }
}
