import Config
import Testing

struct ManifestTests {
    private static let place = "role: client, tunnel: ':2000', target: 'h:1', mode: single"

    @Test("the manifest of the contract is read, key by key")
    func contract() throws {
        let key = "9f86d081884c7d659a2feaa0c55ad015"
        let reading = ManifestReader.test(["WEB_KEY": key]).read(text: Self.contractText, file: "tunnels.yaml")
        #expect(reading.lines == ["19:5 warning role-key tunnels.web.sni", "40:3 warning no-key tunnels.db.key"])
        let manifest = try #require(reading.manifest)
        #expect(manifest.tunnels.map(\.name) == ["web", "db"])
        let web = try #require(manifest["web"])
        #expect(
            web.spec.url
                == "server://\(key)@0.0.0.0:10101/127.0.0.1:8080?allow=10.0.0.0%2F8&block=123&mode=1&rate=100&tls=1"
        )
        #expect(web.labels == TunnelLabels(alias: "Web ingress", tags: ["env": "prod"]))
        #expect(web.secretPaths == ["key"])
        #expect(web.fieldSources["limits.rate"] == SourceLocation(file: "tunnels.yaml", line: 21, column: 14))
        let db = try #require(manifest["db"])
        #expect(!db.running)
        #expect(db.spec.url == "client://edge.example.com:10101/127.0.0.1:5432?min=16&mode=2")
        #expect(db.source.description == "tunnels.yaml:40:3")
    }

    private static let contractText = """
        version: 1
        defaults:
          log: info
          drain: 30s
        include: [tunnels.d/*.yaml]
        policy:
          overrides: allow
          overrideTTL: 0
          prune: true
        tunnels:
          web:
            role: server
            tunnel: 0.0.0.0:10101
            target: 127.0.0.1:8080
            mode: reverse
            key: ${env:WEB_KEY}
            tls: self-signed
            transport: tcp
            sni: edge.example.com
            pool: {min: 64, max: 1024}
            limits: {rate: 100Mbps, connections: 65536}
            timeouts: {read: 0s}
            dns: {ttl: 5m}
            dial: auto
            proxyProtocol: off
            block: [socks, http, tls]
            protocols:
              [tcp, udp]
            access:
              allow: [10.0.0.0/8]
              deny: []
            drain: 30s
            log: info
            alias: Web ingress
            tags: {env: prod}
            peer: {sid: "", type: "", alias: ""}
            state: running
          # the one-line form; other keys may stand beside it

          db:
            url: client://edge.example.com:10101/127.0.0.1:5432?mode=2&min=16
            state: stopped
        """

    @Test(
        "an error in a tunnel invalidates that tunnel and says where",
        arguments: [
            ("role: server, tunnel: ':1'", "3:3 error missing-key tunnels.t.target"),
            ("tunnel: ':2000', target: 'h:1'", "3:3 error missing-key tunnels.t.role"),
            ("\(place), tunel: x", "3:67 error unknown-key tunnels.t.tunel"),
            ("\(place), limits: {rat: 1}", "3:76 error unknown-key tunnels.t.limits.rat"),
            ("\(place), limits: 5", "3:75 error not-a-mapping tunnels.t.limits"),
            ("\(place), limits: {rate: 1.5Mbps}", "3:82 error value tunnels.t.limits.rate"),
            ("\(place), limits: {rate: [1]}", "3:82 error type tunnels.t.limits.rate"),
            ("\(place), limits: {connections: -1}", "3:89 error value tunnels.t.limits.connections"),
            ("\(place), limits: {connections: '10'}", "3:89 error value tunnels.t.limits.connections"),
            ("\(place), limits: {connections: 010}", "3:89 error value tunnels.t.limits.connections"),
            ("\(place), drain: 30", "3:74 error value tunnels.t.drain"),
            ("\(place), log: loud", "3:72 error value tunnels.t.log"),
            ("\(place), state: on", "3:74 error value tunnels.t.state"),
            ("\(place), protocols: []", "3:78 error value tunnels.t.protocols"),
            ("\(place), block: [socks, ftp]", "3:82 error value tunnels.t.block"),
            ("\(place), access: {allow: [10.0.0.0/99]}", "3:84 error value tunnels.t.access.allow"),
            ("\(place), dial: localhost", "3:73 error value tunnels.t.dial"),
            ("\(place), tls: self-signed", "3:67 error role-key tunnels.t.tls"),
            ("\(place), transport: quic", "3:67 error role-key tunnels.t.transport"),
            ("\(place), pool: {min: 17, max: 16}", "3:74 error pool-range tunnels.t.pool.min"),
            ("role: client, tunnel: ':2000', target: 'h:1', mode: reverse", "3:59 error value tunnels.t.mode"),
            ("role: client, tunnel: '2000', target: 'h:1', mode: single", "3:29 error value tunnels.t.tunnel"),
            ("role: client, tunnel: ':2000', target: [], mode: single", "3:46 error value tunnels.t.target"),
            ("role: srver, tunnel: ':2000', target: 'h:1', mode: single", "3:13 error value tunnels.t.role"),
            ("url: 'http://h:1/t:2'", "3:12 error url-scheme tunnels.t.url"),
            ("url: 'client://:2000/t:2?mode=9'", "3:12 error parameter-value tunnels.t.url"),
            ("url: 'client://:2000/t:2?mode=1&min=4', pool: {min: 5}", "3:54 error url-conflict tunnels.t.pool.min"),
            ("url: 'client://:2000/t:2?mode=1', tunnel: ':2001'", "3:41 error url-conflict tunnels.t.tunnel"),
        ]
    )
    func tunnelErrors(keys: String, expected: String) throws {
        let reading = ManifestReader.test().readOne(keys)
        #expect(reading.lines == [expected])
        #expect(reading.invalid.keys.sorted() == ["t"])
        #expect(try #require(reading.manifest).tunnels.isEmpty)
        #expect(reading.hasErrors)
    }

    @Test(
        "a warning leaves the tunnel as it is",
        arguments: [
            ("url: 'client://h:2000/t:2?mode=2'", "3:3 warning no-key tunnels.t.key"),
            ("url: 'server://k@:2000/10.0.0.1:2000'", "3:7 warning tunnel-loop tunnels.t.target"),
            ("url: 'client://:80/h:1?mode=1'", "3:7 warning privileged-port tunnels.t.tunnel"),
            ("url: 'client://:2000/h:1?mode=1&zzz=1'", "3:12 warning unknown-parameter tunnels.t.url"),
            ("url: 'client://:2000/h:1?mode=1&max=1'", "3:12 warning parameter-role tunnels.t.url"),
            ("url: 'server://k@:2000/h:1', sni: a", "3:36 warning role-key tunnels.t.sni"),
        ]
    )
    func tunnelWarnings(keys: String, expected: String) throws {
        let reading = ManifestReader.test().readOne(keys)
        #expect(reading.lines.filter { !$0.contains("weak-key") } == [expected])
        #expect(try #require(reading.manifest).tunnels.count == 1)
        #expect(!reading.hasErrors)
    }

    @Test(
        "a problem of the whole document rejects it",
        arguments: [
            ("", "1:1 error empty "), ("# nothing\n", "1:1 error empty "), ("~", "1:1 error empty "),
            ("[]", "1:1 error not-a-mapping "), ("tunnels: {}", "1:1 error version version"),
            ("version: 2\ntunnels: {}", "1:10 error version version"),
            ("version: '1'\ntunnels: {}", "1:10 error version version"),
            ("version: 1", "1:1 error tunnels-missing tunnels"),
            ("version: 1\ntunnels:\n", "2:9 error tunnels-missing tunnels"),
            ("version: 1\ntunnels: [a]", "2:10 error not-a-mapping tunnels"),
            ("version: 1\ntunnel: {}\ntunnels: {}", "2:1 error unknown-key tunnel"),
            ("version: 1\ntunnels: {}\ntunnels: {}", "3:1 error duplicate-key tunnels"),
            ("version: 1\ntunnels: {}\npolicy: {overides: deny}", "3:10 error unknown-key policy.overides"),
            ("version: 1\ntunnels: {}\npolicy: {prune: yes}", "3:17 error value policy.prune"),
            ("version: 1\ntunnels: {}\npolicy: 5", "3:9 error not-a-mapping policy"),
            ("version: 1\ntunnels: {}\ndefaults: {log: loud}", "3:17 error value defaults.log"),
            ("version: 1\ntunnels: {}\ndefaults: {mode: backward}", "3:18 error value defaults.mode"),
            ("version: 1\ntunnels: {}\ndefaults: {url: 'x'}", "3:12 error defaults-key defaults.url"),
            (
                "version: 1\ndefaults: {lag: info}\ntunnels: {a: {url: 'client://:2000/h:1?mode=1'}}",
                "2:12 error unknown-key defaults.lag"
            ),
            ("version: 1\ntunnels: {}\ninclude: {a: b}", "3:10 error type include"),
            ("version: 1\ntunnels: {}\ninclude: gone.yaml", "3:10 error include-missing include"),
        ]
    )
    func rejections(text: String, expected: String) {
        let reading = ManifestReader.test().read(text: text, file: "m.yaml")
        #expect(reading.lines == [expected])
        #expect(reading.manifest == nil)
    }

    @Test("three mistakes in one file are reported all at once, in file order, and the other tunnels are read")
    func threeMistakes() throws {
        let text = """
            version: 1
            tunnels:
              a: {url: 'client://:2001/h:1?mode=1', log: loud}
              ok: {url: 'client://:2002/h:1?mode=1'}
              Bad: {url: 'client://:2003/h:1?mode=1'}
              c: {url: 'client://:2004/h:1?mode=1', pool: {min: 9, mex: 3}}
            """
        let reading = ManifestReader.test().read(text: text, file: "m.yaml")
        #expect(
            reading.diagnostics.map(\.description) == [
                "m.yaml:3:46: error: tunnels.a.log: 'loud' is not one of none, debug, info, warn, error, event [value]",
                "m.yaml:5:3: error: tunnels.Bad: 'Bad' is not a name for a tunnel; use a-z, 0-9 and inner '-', "
                    + "at most 63 characters [tunnel-name]",
                "m.yaml:6:56: error: tunnels.c.pool.mex: unknown key; did you mean 'max'? [unknown-key]",
            ]
        )
        #expect(try #require(reading.manifest).tunnels.map(\.name) == ["ok"])
        #expect(reading.invalid.keys.sorted() == ["Bad", "a", "c"])
        #expect(reading.invalid["c"]?.line == 6)
    }

    @Test("defaults stand under every tunnel, key by key, where the role has the key")
    func defaults() throws {
        let reading = ManifestReader.test().readOne(
            "url: 'client://k@:2000/h:1?rate=5', limits: {connections: 7}, drain: ~",
            defaults: "{limits: {rate: 1, connections: 2}, drain: 5s, mode: reverse, tls: self-signed, tags: {a: b}}"
        )
        #expect(reading.lines.isEmpty)
        let tunnel = try #require(reading.manifest?["t"])
        #expect(tunnel.spec.url == "client://k@:2000/h:1?drain=5s&rate=5&slot=7&tls=1")
        #expect(tunnel.labels.tags == ["a": "b"])
    }

    @Test("two tunnels on one address are warned about, once, with the other's place")
    func sharedAddress() throws {
        let text = """
            version: 1
            tunnels:
              a: {url: 'client://127.0.0.1:2000/h:1?mode=1'}
              b: {url: 'client://:2000/h:1?mode=1'}
              c: {url: 'client://127.0.0.2:2001/h:1?mode=1'}
              d: {url: 'client://127.0.0.1:2001/h:1?mode=1'}
              e: {url: 'client://127.0.0.1:2000/h:1?mode=1', state: stopped}
              f: {url: 'client://:2002/h:1?mode=1&notcp=1'}
              g: {url: 'client://:2002/h:1?mode=1&noudp=1'}
            """
        let reading = ManifestReader.test().read(text: text, file: "m.yaml")
        #expect(reading.lines == ["4:7 warning address-shared tunnels.b.tunnel"])
        #expect(reading.diagnostics.first?.related?.line == 3)
    }

    @Test(
        "of several tunnels on one port, the first by name is the one that the warning of a tunnel on all addresses names"
    )
    func sharedWithMany() throws {
        let text = """
            version: 1
            tunnels:
              c: {url: 'client://127.0.0.3:2000/h:1?mode=1'}
              b: {url: 'client://127.0.0.2:2000/h:1?mode=1'}
              all: {url: 'client://:2000/h:1?mode=1'}
              d: {url: 'client://127.0.0.4:2000/h:1?mode=1'}
            """
        let reading = ManifestReader.test().read(text: text, file: "m.yaml")
        #expect(
            reading.lines == [
                "5:9 warning address-shared tunnels.all.tunnel", "6:7 warning address-shared tunnels.d.tunnel",
            ]
        )
        #expect(reading.diagnostics.map(\.related?.line) == [4, 5])
    }

    @Test("the revision depends on what is declared, not on where or how it is written")
    func revisions() throws {
        func manifest(_ keys: String) throws -> Manifest { try #require(ManifestReader.test().readOne(keys).manifest) }
        let base = try manifest("url: 'client://k@:2000/h:1?mode=1&min=4'")
        let moved = try manifest("\n\n   pool: {min: 4},   url: 'client://k@:2000/h:1?min=4&mode=1'")
        #expect(base.revision == moved.revision && base["t"]?.revision == moved["t"]?.revision)
        #expect(base.revision.count == 12)
        for other in [
            "url: 'client://x@:2000/h:1?mode=1&min=4'", "url: 'client://k@:2000/h:1?mode=1&min=4', state: stopped",
            "url: 'client://k@:2000/h:1?mode=1&min=4', alias: a",
        ] {
            #expect(try manifest(other)["t"]?.revision != base["t"]?.revision)
            #expect(try manifest(other).revision != base.revision)
        }
    }

    private func parsed(_ json: String) throws -> JSONValue { try JSONParser.parse(Array(json.utf8)) }

    @Test("a tunnel in a request is read from its JSON, without references; messages name the path")
    func singleTunnel() throws {
        let reader = ManifestReader.test(["HOME": "/root"])
        let json =
            #"{"role": "server", "tunnel": ":2000", "target": ["a:1", "b:2"], "limits": {"rate": 5}, "state": "stopped"}"#
        let (declaration, diagnostics) = reader.readTunnel(try parsed(json), name: "spec")
        #expect(diagnostics.isEmpty)
        #expect(declaration?.spec.url == "server://:2000/a:1,b:2?rate=5")
        #expect(declaration?.running == false)
        let bad = #"{"url": "client://:2000/h:1", "alias": "${env:HOME}", "log": "x", "pool": {"mim": 1}}"#
        let refused = reader.readTunnel(try parsed(bad), name: "spec")
        #expect(refused.declaration == nil)
        #expect(
            refused.diagnostics.map(\.description) == [
                "error: spec.pool.mim: unknown key; did you mean 'min'? [unknown-key]",
                "error: spec.alias: references work only in manifests; send the value itself [reference-refused]",
                "error: spec.log: 'x' is not one of none, debug, info, warn, error, event [value]",
            ]
        )
    }

    @Test(
        "JSON values are the manifest's values: text is quoted, the rest is plain, null is not said",
        arguments: [
            (#""tls": {"certificate": "/a", "key": "/b"}"#, "tls=2&crt=%2Fa&key=%2Fb"),
            (#""limits": {"connections": 7}, "drain": null"#, "slot=7"),
            (#""protocols": ["tcp"], "timeouts": {"read": "30s"}"#, "noudp=1&read=30s"),
            (#""limits": {"connections": "7"}"#, nil), (#""limits": {"connections": 7.5}"#, nil),
            (#""limits": {"connections": true}"#, nil), (#""limits": []"#, nil), (#""log": ["info"]"#, nil),
            (#""log": "info", "log": "warn""#, nil), (#""pool": {"max": 1, "max": 2}"#, nil),
            (#""<<": {"log": "warn"}"#, nil), (#""role": "server""#, nil),
        ]
    )
    func jsonKeys(keys: String, query: String?) throws {
        let front = #"{"role": "server", "tunnel": ":2000", "target": "h:1", \#(keys)}"#
        let (declaration, diagnostics) = ManifestReader.test().readTunnel(try parsed(front), name: "spec")
        #expect((declaration == nil) == (query == nil), "\(diagnostics)")
        #expect(diagnostics.isEmpty == (query != nil))
        #expect(diagnostics.allSatisfy { $0.location == nil && $0.path.hasPrefix("spec.") })
        guard let query else { return }
        #expect(declaration?.spec == (try TunnelURL.parse("server://:2000/h:1?" + query).spec))
    }

    @Test("a repeated key hides no other problem")
    func repeatedAndMore() {
        let text = """
            version: 1
            tunnels:
              a: {rol: client, tunnel: ':70000', target: 'h:1', mode: single}
              b: {url: 'client://:2000/h:1?mode=1'}
              b: {url: 'client://:2001/h:1?mode=1', log: loud}
            """
        let reading = ManifestReader.test().read(text: text, file: "m.yaml")
        #expect(
            reading.lines == [
                "3:7 error unknown-key tunnels.a.rol",
                "3:28 error value tunnels.a.tunnel", "5:3 error duplicate-key tunnels.b",
                "5:46 error value tunnels.b.log",
            ]
        )
        #expect(reading.manifest == nil)
    }

    @Test(
        "what has no meaning in YAML hides no other problem",
        arguments: [
            ("{<<: 5, drain: x}", ["3:11 error yaml-merge tunnels.a.<<", "3:21 error value tunnels.a.drain"]),
            ("{drain: !foo x}", ["3:14 error yaml-tag tunnels.a.drain", "3:14 error value tunnels.a.drain"]),
            ("{drain: *nope, log: x}", ["3:14 error yaml-alias tunnels.a.drain", "3:26 error value tunnels.a.log"]),
            ("{? [1] : 2, log: x}", ["3:9 error yaml-key tunnels.a", "3:23 error value tunnels.a.log"]),
            (
                "{rol: 1, rol: 2, role: client}",
                ["3:7 error unknown-key tunnels.a.rol", "3:15 error duplicate-key tunnels.a.rol"]
            ),
            (
                "{url: 'client://:70000/h?mode=9&zzz=1'}",
                [
                    "3:12 error value tunnels.a.url", "3:12 error value tunnels.a.url",
                    "3:12 warning unknown-parameter tunnels.a.url", "3:12 error parameter-value tunnels.a.url",
                ]
            ),
        ]
    )
    func meaningless(tunnel: String, expected: [String]) {
        let text = "version: 1\ntunnels:\n  a: \(tunnel)\n  b: {url: 'client://:2000/h:1?mode=1', log: loud}\n"
        let lines = ManifestReader.test().read(text: text, file: "m.yaml").lines
        let seen = lines.filter { !$0.contains("missing-key") }
        #expect(seen == expected + ["4:46 error value tunnels.b.log"])
    }

    @Test("a second document hides no problem of the first")
    func secondDocument() {
        let text = "version: 1\ntunnels: {b: {url: 'client://:2000/h:1?mode=1', log: loud}}\n---\nversion: 1\n"
        let reading = ManifestReader.test().read(text: text, file: "m.yaml")
        #expect(reading.lines == ["2:54 error value tunnels.b.log", "3:1 error yaml-documents "])
        #expect(reading.manifest == nil)
    }

    @Test(
        "a repeated key of every kind is one problem, beside those of both its values",
        arguments: [
            // top level
            ("tunnels: {}\nversion: 1\nversion: 3", ["3:1 error duplicate-key version", "3:10 error version version"]),
            ("version: 1\ntunnels: {}\nx-a: 1\nx-a: 2", ["4:1 error duplicate-key x-a"]),
            (
                "version: 1\ntunnels: {A: {url: 'client://:1/h:1'}}\ntunnels: {B: {url: 'client://:2/h:1'}}",
                [
                    "2:11 error tunnel-name tunnels.A", "3:1 error duplicate-key tunnels",
                    "3:11 error tunnel-name tunnels.B",
                ]
            ),
            (
                "version: 1\ntunnels: {}\npolicy: {prune: 1}\npolicy: {prune: 2}",
                [
                    "3:17 error value policy.prune", "4:1 error duplicate-key policy",
                    "4:17 error value policy.prune",
                ]
            ),
            (
                "version: 1\ntunnels: {}\ndefaults: {log: a}\ndefaults: {log: b}",
                [
                    "3:17 error value defaults.log", "4:1 error duplicate-key defaults",
                    "4:17 error value defaults.log",
                ]
            ),
            // a tunnel, one of its keys, a key of a group, a tag
            (
                "version: 1\ntunnels:\n  a: {log: x}\n  a: {log: y}",
                [
                    "3:3 error missing-key tunnels.a.role", "3:3 error missing-key tunnels.a.tunnel",
                    "3:3 error missing-key tunnels.a.target", "3:12 error value tunnels.a.log",
                    "4:3 error duplicate-key tunnels.a", "4:3 error missing-key tunnels.a.role",
                    "4:3 error missing-key tunnels.a.tunnel", "4:3 error missing-key tunnels.a.target",
                    "4:12 error value tunnels.a.log",
                ]
            ),
            (
                "version: 1\ntunnels: {a: {url: 'client://:2000/h:1?mode=1', log: x, log: y}}",
                [
                    "2:54 error value tunnels.a.log", "2:57 error duplicate-key tunnels.a.log",
                    "2:62 error value tunnels.a.log",
                ]
            ),
            (
                "version: 1\ntunnels: {a: {url: 'client://:2000/h:1?mode=1', pool: {min: x, min: 5}}}",
                ["2:61 error value tunnels.a.pool.min", "2:64 error duplicate-key tunnels.a.pool.min"]
            ),
            (
                "version: 1\ntunnels: {a: {url: 'client://:2000/h:1?mode=1', tags: {x: 1, x: 2}, log: z}}",
                ["2:62 error duplicate-key tunnels.a.tags.x", "2:74 error value tunnels.a.log"]
            ),
            // what `<<` brings in
            (
                "version: 1\nx-a: &a {log: x, log: info}\ntunnels: {a: {<<: *a, url: 'client://:2000/h:1?mode=1'}}",
                ["2:15 error value tunnels.a.log", "2:18 error duplicate-key x-a.log"]
            ),
        ]
    )
    func repeated(text: String, expected: [String]) {
        let reading = ManifestReader.test().read(text: text, file: "m.yaml")
        #expect(reading.lines == expected)
        #expect(reading.manifest == nil)
    }

    @Test("5,000 tunnels are read in a moment")
    func many() throws {
        var text = "version: 1\ntunnels:\n"
        for index in 0..<5000 {
            text += "  t\(index):\n    role: client\n    tunnel: 127.0.0.1:\(2000 + index)\n    target: 10.0.0.1:80\n"
            text += "    mode: single\n    limits: {rate: 100Mbps}\n    alias: Tunnel \(index)\n"
        }
        let clock = ContinuousClock()
        var reading: ManifestReading?
        let elapsed = clock.measure { reading = ManifestReader.test().read(text: text, file: "m.yaml") }
        #expect(try #require(reading?.manifest).tunnels.count == 5000)
        #expect(elapsed < .seconds(20), "\(elapsed)")
    }
}
