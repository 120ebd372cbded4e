import Config
import Testing

struct TunnelURLTests {
    @Test(
        "the default key is a function of the port's digits",
        arguments: [(10101, "e68be2b4"), (443, "2339c1b2"), (8080, "40c0f1e5")] as [(UInt16, String)]
    )
    func defaultKey(port: UInt16, key: String) {
        #expect(TunnelSpec(role: .server, tunnel: Endpoint(host: "h", port: port), targets: []).effectiveKey == key)
    }

    @Test(
        "wide inputs are read and written in the canonical form",
        arguments: [
            ("server://:10101/:8080", "server://:10101/:8080"),
            ("client://[::1]:1/a:1,b:2 , c:3", "client://[::1]:1/a:1,b:2,c:3"),
            ("server://pa%20ss@h:1/t:2", "server://pa%20ss@h:1/t:2"),
            ("server://user:ignored@h:1/t:2", "server://user@h:1/t:2"),
            ("SERVER://h:1/t:2?", "server://h:1/t:2"),
            (
                "server://h:1/t:2?tls=2&crt=/a b/c.pem&key=/k.pem",
                "server://h:1/t:2?crt=%2Fa+b%2Fc.pem&key=%2Fk.pem&tls=2"
            ),
            ("client://h:1/t:2?zzz=1&min=4&dns=", "client://h:1/t:2?min=4&zzz=1"),
            ("client://h:1/t:2?min=64&mode=0&dial=auto&read=0s&slot=65536", "client://h:1/t:2"),
            ("server://h:1/t:2?rate=10&block=31&notcp=1", "server://h:1/t:2?block=13&notcp=1&rate=10"),
            (
                "server://h:1/t:2?allow=10.0.0.0/8,::1&deny=10.0.0.1",
                "server://h:1/t:2?allow=10.0.0.0%2F8%2C%3A%3A1%2F128&deny=10.0.0.1%2F32"
            ),
            ("server://h:1/t:2?drain=90s&proxy=2&dns=0", "server://h:1/t:2?dns=0s&drain=1m30s&proxy=2"),
            ("server://%E5%AF%86@h:1/t:2", "server://%E5%AF%86@h:1/t:2"),
        ]
    )
    func canonical(text: String, url: String) throws {
        let (spec, _) = try TunnelURL.parse(text)
        #expect(spec.url == url)
        #expect(try TunnelURL.parse(url).spec == spec)
    }

    @Test(
        "invalid values mean what NodePass makes of them, with a warning",
        arguments: [
            ("log=loud", "log=info"), ("min=0", "min=1"), ("min=x", "min=1"), ("rate=x", ""), ("slot=x", "slot=0"),
            ("dns=x", "dns=0s"), ("read=x", ""), ("dial=host", ""), ("mode=7", ""), ("proxy=9", ""), ("notcp=yes", ""),
            ("drain=x", ""), ("block=9", ""),
        ]
    )
    func invalidValues(query: String, canonical: String) throws {
        let (spec, diagnostics) = try TunnelURL.parse("client://h:1/t:2?" + query)
        #expect(diagnostics.map(\.code) == ["parameter-value"])
        #expect(diagnostics.allSatisfy { $0.severity == .warning })
        let expected = canonical == "log=info" || canonical.isEmpty ? "" : "?" + canonical
        #expect(spec.url == "client://h:1/t:2" + expected)
    }

    @Test("a type or tls of a later version is kept so that the tunnel fails with a reason")
    func laterVersions() throws {
        let (spec, diagnostics) = try TunnelURL.parse("server://h:1/t:2?type=9&tls=2")
        #expect(spec.transport == .unknown("9") && spec.tls == .filesMissing)
        #expect(diagnostics.map(\.code) == ["parameter-value", "parameter-value"])
        #expect(spec.url == "server://h:1/t:2?tls=2&type=9")
    }

    @Test("unknown parameters are kept and warned about, known ones of the other role only warned about")
    func unknownParameters() throws {
        let (spec, diagnostics) = try TunnelURL.parse("client://h:1/t:2?b=2&max=5&a=1&a=0&log=debug&log=info")
        #expect(spec.unknownParameters.map(\.name) == ["b", "a", "a"])
        #expect(spec.log == .debug)
        let codes = [
            "unknown-parameter", "parameter-role", "unknown-parameter", "unknown-parameter", "parameter-twice",
        ]
        #expect(diagnostics.map(\.code) == codes)
        #expect(spec.url == "client://h:1/t:2?a=1&a=0&b=2&log=debug&max=5")
    }

    @Test("a tunnel that would connect to itself is warned about")
    func loop() throws {
        for text in [
            "server://:80/10.0.0.1:80", "client://127.0.0.1:80/localhost:80", "server://10.0.0.1:80/127.0.0.1:80",
        ] {
            #expect(try TunnelURL.parse(text).diagnostics.map(\.code) == ["tunnel-loop"])
        }
        for text in [
            "client://edge.example.com:80/127.0.0.1:80?mode=2", "server://:81/:80", "client://10.0.0.1:80/10.0.0.2:80",
        ] {
            #expect(try TunnelURL.parse(text).diagnostics.isEmpty)
        }
    }

    @Test(
        "what is not a tunnel's URL has one of three answers",
        arguments: [
            ("", "url-scheme"), ("foo", "url-scheme"), ("http://h:1/t:2", "url-scheme"), ("master://h:1", "url-scheme"),
            ("server:foo", "url-syntax"), ("://h:1", "url-syntax"), ("server://h%zz@h:1/t:2", "url-syntax"),
            ("server://h:1/t:2\n", "url-syntax"), ("server://a/b@h:1/t:2", "url-syntax"), ("server://h/t:2", "value"),
            ("server://h:1", "missing-key"), ("server://h:1/", "missing-key"), ("server://h:1/t", "value"),
            ("server://h:1/t:2?allow=10.0.0.0/99", "parameter-value"), ("server://h:1/t:2?deny=,", "parameter-value"),
        ]
    )
    func refusals(text: String, code: String) {
        let error = #expect(throws: TunnelURLError.self) { try TunnelURL.parse(text) }
        #expect(error?.diagnostics.map(\.code) == [code])
    }

    @Test(
        "a key that needs escaping is not quoted in the error",
        arguments: ["s3cr/t@", "s3:cr/t@", "12:34/s3cr@", "s3?cr@", "s3#cr@"]
    )
    func brokenKey(key: String) {
        let error = #expect(throws: TunnelURLError.self) { try TunnelURL.parse("server://\(key)h:1/t:2") }
        #expect(error.map { !"\($0)".contains("s3") } == true)
        #expect(!TunnelURL.masked("server://\(key)h:1/t:2").contains("s3"))
    }

    @Test("config is the recorded expansion, byte for byte")
    func config() throws {
        let client = "client://secret@127.0.0.1:32711/127.0.0.1:32780?log=info&min=4&mode=2"
        #expect(
            TunnelURL.config(of: client, spec: try TunnelURL.parse(client).spec)
                == "client://secret@127.0.0.1:32711/127.0.0.1:32780?block=0&dial=auto&dns=5m0s&log=info&min=4&mode=2"
                + "&notcp=0&noudp=0&proxy=0&rate=0&read=0s&slot=65536&sni=none"
        )
        let server = "server://secret@127.0.0.1:32711/127.0.0.1:32713?log=info&mode=1&tls=0"
        #expect(
            TunnelURL.config(of: server, spec: try TunnelURL.parse(server).spec)
                == "server://secret@127.0.0.1:32711/127.0.0.1:32713?block=0&dial=auto&dns=5m0s&log=info&max=1024&mode=1"
                + "&notcp=0&noudp=0&proxy=0&rate=0&read=0s&slot=65536&tls=0&type=0"
        )
        let odd = "server://pa%20ss@[::1]:32761/127.0.0.1:8080,127.0.0.2:8080?zzz=1&dns="
        #expect(
            TunnelURL.config(of: odd, spec: try TunnelURL.parse(odd).spec)
                == "server://pa%20ss@[::1]:32761/127.0.0.1:8080,127.0.0.2:8080?block=0&dial=auto&dns=5m0s&max=1024&mode=0"
                + "&notcp=0&noudp=0&proxy=0&rate=0&read=0s&slot=65536&type=0&zzz=1"
        )
    }

    @Test("inherited parameters are appended and the rest is kept byte for byte")
    func appending() {
        let inherited = [QueryParameter(name: "log", value: "debug"), QueryParameter(name: "crt", value: "/a b")]
        #expect(TunnelURL.appending(inherited, to: "server://h:1/t:2") == "server://h:1/t:2?log=debug&crt=%2Fa+b")
        #expect(
            TunnelURL.appending(inherited, to: "server://h:1/t:2?z=/&log=&a=%41")
                == "server://h:1/t:2?z=/&log=&a=%41&crt=%2Fa+b"
        )
        #expect(TunnelURL.appending([], to: "server://h:1/t:2?") == "server://h:1/t:2?")
    }

    @Test("every spec survives the way through its URL", arguments: 0..<600)
    func roundTrip(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let spec = TunnelSpec.random(&random)
        let (read, _) = try TunnelURL.parse(spec.url)
        #expect(read == spec, "\(spec.url)")
        #expect(spec.changes(to: read).isEmpty)
        #expect(read.url == spec.url)
    }

    @Test("a change of any field is seen, with its class and without secrets")
    func changes() throws {
        let old = try TunnelURL.parse("server://old@h:1/t:2").spec
        let new = try TunnelURL.parse("server://new@h:2/t:3?rate=100&log=debug&zzz=1").spec
        let lines = old.changes(to: new).map { "\($0.path) \($0.class.rawValue) \($0.old) → \($0.new)" }
        #expect(
            lines == [
                "tunnel rebind h:1 → h:2", "target rebind t:2 → t:3", "key session \(Secret.mask) → \(Secret.mask)",
                "limits.rate live 0 → 100Mbps", "log live info → debug", "url meta  → zzz",
            ]
        )
        let masked = old.changes(to: new, secretPaths: ["tunnel"])
        #expect(masked.first.map { $0.old == Secret.mask && $0.new == Secret.mask } == true)
    }
}

extension TunnelSpec {
    /// Any spec that a URL can express.
    static func random(_ random: inout SplitMix) -> TunnelSpec {
        let hosts = ["", "127.0.0.1", "::1", "edge.example.com", "10.1.2.3"]
        func endpoint() -> Endpoint { Endpoint(host: random.pick(hosts), port: .random(in: 0...65535, using: &random)) }
        let role = random.pick(TunnelRole.allCases)
        var spec = TunnelSpec(role: role, tunnel: endpoint(), targets: [])
        spec.targets = (0...Int.random(in: 0...3, using: &random)).map { _ in endpoint() }
        let keys = [nil, "secret", "pa ss", "a:b@c/d?e#f%g&h=i+j", "密钥", "•"]
        spec.key = random.pick(keys).map(Secret.init)
        spec.mode = random.pick(TunnelMode.allCases)
        spec.tls = random.pick([
            nil, .off, .selfSigned, role == .server ? .filesMissing : .verified,
            .files(certificate: "/a b/c.pem", key: "k&=.pem"),
        ])
        // The other policies need a key that cannot be guessed.
        spec.handshake = random.pick([.auto, .compatible])
        spec.transport = random.pick([.tcp, .quic, .websocket, .http2, .unknown("9 & a")])
        spec.sni = random.pick([nil, "none", "edge.example.com"])
        spec.path = random.pick([nil, "/", "/a/b%20&=c"])
        spec.host = random.pick([nil, "site.example.com"])
        spec.via = random.pick([nil, try? ProxyAddress("socks5://us%20er:p%26w@proxy:1080")])
        spec.pool = PoolSize(min: .random(in: 1...2000, using: &random), max: .random(in: 1...2000, using: &random))
        spec.rateMbps = random.pick([0, 1, 100, 10_000])
        spec.connections = random.pick([0, 1, 65536, 1_000_000])
        spec.readTimeout = .milliseconds(random.pick([0, 1, 1500, 30_000, 5_400_000]))
        spec.keepalive = .milliseconds(random.pick([0, 1, 1500, 15_000, 5_400_000]))
        spec.dnsTTL = .milliseconds(random.pick([0, 500, 300_000, 60_000]))
        spec.dialFrom = random.pick([nil, "10.0.0.1", "2001:db8::1"])
        spec.proxyProtocol = random.pick(ProxyProtocol.allCases)
        spec.block = Set(BlockedProtocol.allCases.filter { _ in random.flip() })
        spec.protocols = Set(TransportProtocol.allCases.filter { _ in random.flip() })
        let networks = ["10.0.0.0/8", "2001:db8::/32", "192.168.1.1"].compactMap { IPNetwork($0) }
        spec.access = AccessRules(
            allow: networks.filter { _ in random.flip() },
            deny: networks.filter { _ in random.flip() }
        )
        spec.drain = .seconds(random.pick([0, 30, 90, 3600]))
        spec.log = random.pick(LogLevel.allCases)
        let unknown = ["aaa", "b b", "zzz"].map { QueryParameter(name: $0, value: random.pick(["", "1", "a/b c&d"])) }
        spec.unknownParameters = unknown.filter { _ in random.flip() }
        return spec
    }
}
