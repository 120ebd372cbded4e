import Config
import Testing

@Suite("Which addresses a tunnel takes")
struct ListeningTests {
    private static let tunnels = ["127.0.0.1:9001", "0.0.0.0:9001", "10.0.0.1:9001", "edge.example.com:9001", ":0"]
    private static let queries = ["", "notcp=1", "noudp=1", "type=1"]

    static let urls = ["server", "client"].flatMap { role in
        (0...2).flatMap { mode in
            tunnels.flatMap { tunnel in
                queries.map { "\(role)://k@\(tunnel)/127.0.0.1:9002,127.0.0.1:9003?mode=\(mode)&\($0)" }
            }
        }
    }

    /// What it listens with in each way it can turn out.
    private func outcomes(_ spec: TunnelSpec) -> [[ListenSocket]] {
        let modes: [TunnelMode] = spec.mode == .auto ? [.one, .two] : [spec.mode]
        return modes.flatMap { mode in
            [false, true].map { spec.listenSockets(mode: mode, isClientEntry: $0) }
        }
    }

    @Test("what is possible is what some outcome has, what is certain is what every outcome has", arguments: urls)
    func derived(url: String) throws {
        let spec = try TunnelURL.parse(url).spec
        let outcomes = outcomes(spec)
        #expect(Set(spec.possibleSockets) == Set(outcomes.joined()))
        let isLocal = spec.tunnel.isLoopback || spec.tunnel.isUnspecified
        guard spec.role == .client, spec.mode == .auto, isLocal else {
            let everywhere = outcomes.reduce(Set(outcomes[0])) { $0.intersection($1) }
            #expect(Set(spec.certainSockets) == everywhere)
            return
        }
        #expect(spec.certainSockets == outcomes[0])
    }

    @Test(
        "each role and mode listens where its words say",
        arguments: [
            ("server://k@:1/h:2?mode=1", ["tcp h:2", "udp h:2", "tcp :1"], ["tcp h:2", "udp h:2", "tcp :1"]),
            ("server://k@:1/h:2?mode=2", ["tcp :1"], ["tcp :1"]),
            ("server://k@:1/h:2?mode=2&type=1", ["tcp :1", "udp :1"], ["tcp :1", "udp :1"]),
            ("server://k@:1/h:2", ["tcp h:2", "udp h:2", "tcp :1"], ["tcp :1"]),
            ("client://k@a:1/h:2?mode=1&noudp=1", ["tcp a:1"], ["tcp a:1"]),
            ("client://k@a:1/h:2?mode=2&noudp=1", ["tcp h:2"], []),
            ("client://k@a:1/h:2?noudp=1", ["tcp a:1", "tcp h:2"], []),
            // The address is this machine's: only another socket there sends it to a server.
            ("client://k@127.0.0.1:1/h:2?noudp=1", ["tcp 127.0.0.1:1", "tcp h:2"], ["tcp 127.0.0.1:1"]),
            ("client://k@:1/h:2?notcp=1", ["udp :1", "udp h:2"], ["udp :1"]),
        ]
    )
    func examples(url: String, possible: [String], certain: [String]) throws {
        func texts(_ sockets: [ListenSocket]) -> [String] { sockets.map { "\($0.transport.rawValue) \($0.endpoint)" } }
        let spec = try TunnelURL.parse(url).spec
        #expect(texts(spec.possibleSockets) == possible)
        #expect(texts(spec.certainSockets) == certain)
    }

    @Test("two ways to write one address are one address; a name is only certain to be itself")
    func sameHost() throws {
        func address(_ text: String) throws -> ListenAddress { ListenAddress(try Endpoint(text), .tcp) }
        for (one, other, mayConflict, isCertain) in [
            ("[2001:db8::1]:1", "[2001:db8:0::1]:1", true, true), ("10.0.0.1:1", ":1", true, true),
            ("10.0.0.1:1", "10.0.0.2:1", false, false), ("10.0.0.1:1", "10.0.0.1:2", false, false),
            ("a.example:1", "10.0.0.1:1", true, false), ("a.example:1", "b.example:1", true, false),
            ("a.example:1", "a.example:1", true, true), (":0", ":0", false, false),
        ] {
            let (first, second) = (try address(one), try address(other))
            #expect(first.conflicts(with: second) == mayConflict && second.conflicts(with: first) == mayConflict)
            #expect(first.certainlyConflicts(with: second) == isCertain, "\(one) \(other)")
        }
        #expect(!(try address(":1")).conflicts(with: ListenAddress(try Endpoint(":1"), .udp)))
    }

    @Test(
        "servers have one address where their clients can be told apart",
        arguments: [
            ("service=a", "service=b", nil), ("service=a", "", nil), ("service=a", "service=a", "need a service each"),
            ("", "", "give each its own service"), ("handshake=compatible", "", nil),
            ("service=a&type=2", "service=b", "the same transport"), ("service=a&tls=1", "service=b", "and tls"),
            ("service=a&type=3", "service=b&type=3&tls=1", nil),
        ] as [(String, String, String?)]
    )
    func shared(_ one: String, _ other: String, _ problem: String?) throws {
        let text = """
            version: 1
            tunnels:
              a: {url: 'server://key-a@10.0.0.1:9000/10.0.0.1:9001?mode=1&\(one)'}
              b: {url: 'server://key-b@10.0.0.1:9000/10.0.0.1:9002?mode=1&\(other)'}
            """
        let reading = ManifestReader.test().read(text: text, file: "m.yaml")
        let shared = reading.diagnostics.filter { $0.code == "address-shared" }
        #expect(shared.count == (problem == nil ? 0 : 1), "\(reading.diagnostics)")
        #expect(shared.allSatisfy { $0.message.contains(problem ?? "") }, "\(shared)")
        let specs = try #require(reading.manifest).tunnels.map(\.spec)
        let areApart = !Set(specs[0].certainAddresses).conflicts(with: specs[1].certainAddresses)
        #expect(areApart == (problem == nil))
    }

    @Test("three tunnels at a shared address are compared with each of the others")
    func third() throws {
        let url = "server://k@10.0.0.1:9000/10.0.0.1:900"
        let text = """
            version: 1
            tunnels:
              a: {url: '\(url)1?mode=1&service=a'}
              b: {url: '\(url)2?mode=1&service=b'}
              c: {url: '\(url)3?mode=1&service=b'}
              d: {url: '\(url)4?mode=1&service=c'}
            """
        let reading = ManifestReader.test().read(text: text, file: "m.yaml")
        let shared = reading.diagnostics.filter { $0.code == "address-shared" }
        #expect(shared.map(\.path) == ["tunnels.c.tunnel"] && shared[0].message.contains("'b'"), "\(shared)")
    }

    @Test("a duplicate of a tunnel shares what is certain, and lint says so at the key that names it", arguments: urls)
    func lint(url: String) throws {
        let text = "version: 1\ntunnels:\n  a: {url: '\(url)'}\n  b: {url: '\(url)'}\n"
        let reading = ManifestReader.test().read(text: text, file: "m.yaml")
        let shared = reading.diagnostics.filter { $0.code == "address-shared" }
        let certain = try TunnelURL.parse(url).spec.certainSockets.filter { $0.endpoint.port != 0 }
        #expect(Set(shared.map(\.path)) == Set(certain.map { "tunnels.b." + $0.path }))
    }

    @Test(
        "an address of the machine itself is one by value, not by how it begins",
        arguments: [
            ("localhost", true), ("127.0.0.1", true), ("127.8.9.10", true), ("::1", true), ("127.evil.com", false),
            ("127.0.0.1.nip.io", false), ("localhost.example.com", false), ("10.0.0.1", false),
        ]
    )
    func loopback(host: String, isLoopback: Bool) {
        #expect(Endpoint(host: host, port: 1).isLoopback == isLoopback)
    }
}
