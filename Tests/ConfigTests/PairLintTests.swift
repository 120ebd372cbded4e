import Config
import Testing

struct PairLintTests {
    /// Reads a server in line 3 and a client in line 4.
    private func read(_ server: String, _ client: String) -> ManifestReading {
        let text = "version: 1\ntunnels:\n  s: {\(server)}\n  c: {\(client)}\n"
        return ManifestReader.test().read(text: text, file: "m.yaml")
    }

    private func warnings(_ server: String, _ client: String) -> [Diagnostic] {
        read(server, client).diagnostics.filter { $0.code == "pair-mismatch" }
    }

    @Test(
        "a client that leads to a server of its manifest and cannot work with it is warned about, at its key",
        arguments: [
            // keys
            ("server://one@:2000/h:1?mode=2", "client://two@127.0.0.1:2000/:9?mode=2", "key"),
            ("server://one@:2000/h:1?mode=2", "client://127.0.0.1:2000/:9?mode=2", "key"),
            ("server://:2000/h:1?mode=2", "client://two@127.0.0.1:2000/:9?mode=2", "key"),
            // protocols
            ("server://k@:2000/h:1?mode=2&notcp=1", "client://k@:2000/:9?mode=2&noudp=1", "protocols"),
            // reverse: the client sends users to where the server takes them in
            ("server://k@:2000/:9?mode=1", "client://k@:2000/127.0.0.1:9?mode=2", "target"),
            ("server://k@:2000/127.0.0.1:9?mode=1", "client://k@:2000/h:1,localhost:9?mode=2", "target"),
            // forward: the server sends users to where the client takes them in
            ("server://k@:2000/127.0.0.1:9?mode=2", "client://k@:2000/:9?mode=2", "target"),
            // auto: so whichever of them listens
            ("server://k@:2000/127.0.0.1:9", "client://k@:2000/127.0.0.1:9?mode=2", "target"),
        ]
    )
    func mismatches(server: String, client: String, path: String) throws {
        let found = warnings("url: '\(server)'", "url: '\(client)'")
        #expect(found.map(\.path) == ["tunnels.c.\(path)"])
        let warning = try #require(found.first)
        #expect(warning.severity == .warning)
        #expect(warning.location?.line == 4 && warning.related?.line == 3)
        #expect(warning.message.contains("'s'"))
    }

    @Test(
        "the client's address leads to the server",
        arguments: [
            (":2000", "127.0.0.1:2000"), (":2000", "[::1]:2000"), (":2000", "localhost:2000"), (":2000", ":2000"),
            ("0.0.0.0:2000", "127.0.0.3:2000"), ("0.0.0.0:2000", "localhost:2000"), ("0.0.0.0:2000", "0.0.0.0:2000"),
            ("[::]:2000", "[::1]:2000"), ("127.0.0.1:2000", ":2000"), ("127.0.0.1:2000", "localhost:2000"),
            ("10.0.0.1:2000", "10.0.0.1:2000"), ("Edge.example.com:2000", "edge.example.com:2000"),
            ("[2001:db8::1]:2000", "[2001:db8:0::1]:2000"),
        ]
    )
    func meeting(server: String, client: String) {
        let found = warnings("url: 'server://one@\(server)/h:1?mode=2'", "url: 'client://two@\(client)/:9?mode=2'")
        #expect(found.count == 1)
    }

    @Test(
        "another port, another machine, or an address whose machine is not certain: nothing is reported",
        arguments: [
            (":2000", "127.0.0.1:2001"), (":2000", "edge.example.com:2000"), (":2000", "10.0.0.1:2000"),
            ("10.0.0.1:2000", "127.0.0.1:2000"), ("10.0.0.1:2000", "10.0.0.2:2000"), ("10.0.0.1:2000", ":2000"),
            ("127.0.0.1:2000", "127.0.0.2:2000"), ("0.0.0.0:2000", "[::1]:2000"), ("127.0.0.1:2000", "[::1]:2000"),
            ("edge.example.com:2000", "web.example.com:2000"), (":0", ":0"),
        ]
    )
    func strangers(server: String, client: String) {
        let found = warnings("url: 'server://one@\(server)/h:1?mode=2'", "url: 'client://two@\(client)/:9?mode=2'")
        #expect(found.isEmpty, "\(found)")
    }

    @Test(
        "a pair that works, or does not run, passes in silence",
        arguments: [
            ("url: 'server://k@:2000/h:1?mode=2'", "url: 'client://k@:2000/:9?mode=2'"),
            // no key is NodePass's default key, at both ends
            ("url: 'server://:2000/h:1?mode=2'", "url: 'client://:2000/:9?mode=2'"),
            // the exit's target is a real service beside the other end's entry
            ("url: 'server://k@:2000/10.0.0.1:9?mode=1'", "url: 'client://k@:2000/127.0.0.1:9?mode=2'"),
            ("url: 'server://k@:2000/127.0.0.1:9?mode=2'", "url: 'client://k@:2000/10.0.0.1:9?mode=2'"),
            // reverse: what the server would dial does not matter, and only its first target is listened at
            ("url: 'server://k@:2000/:8,127.0.0.1:9?mode=1'", "url: 'client://k@:2000/:9?mode=2'"),
            // auto: the client may be the one that listens
            ("url: 'server://k@:2000/127.0.0.1:9'", "url: 'client://k@:2000/10.0.0.1:1,127.0.0.1:9?mode=2'"),
            ("url: 'server://one@:2000/h:1?mode=2'", "url: 'client://two@:2000/:9?mode=2', state: stopped"),
            ("url: 'server://one@:2000/h:1?mode=2', state: stopped", "url: 'client://two@:2000/:9?mode=2'"),
            // listens at the address itself, which is another code's matter
            ("url: 'server://one@:2000/h:1?mode=2'", "url: 'client://two@:2000/:9?mode=1'"),
            ("url: 'server://one@:2000/h:1?mode=2'", "url: 'client://two@127.0.0.1:2000/:9'"),
        ]
    )
    func silence(server: String, client: String) {
        let found = warnings(server, client)
        #expect(found.isEmpty, "\(found)")
    }

    @Test("a client in mode auto at a server's own address connects to it")
    func automatic() {
        let server = "url: 'server://one@10.0.0.1:2000/h:1?mode=2'"
        #expect(warnings(server, "url: 'client://two@10.0.0.1:2000/:9'").count == 1)
    }

    @Test("where two servers could be meant, nothing is reported")
    func severalServers() {
        let text = """
            version: 1
            tunnels:
              a: {url: 'server://one@127.0.0.1:2000/h:1?mode=2'}
              b: {url: 'server://two@0.0.0.0:2000/h:1?mode=2'}
              c: {url: 'client://three@127.0.0.1:2000/:9?mode=2'}
              d: {url: 'client://three@127.0.0.2:2000/:10?mode=2'}
            """
        let found = ManifestReader.test().read(text: text, file: "m.yaml").diagnostics.filter {
            $0.code == "pair-mismatch"
        }
        #expect(found.map(\.path) == ["tunnels.d.key"])
        #expect(found.first?.related?.line == 4)
    }

    @Test("everything wrong with a pair is reported, and no key is shown")
    func severalProblems() {
        let reading = read(
            "url: 'server://alpha-key@:2000/h:1?mode=2&notcp=1'",
            "role: client, mode: dual, tunnel: ':2000', target: ':9', protocols: [tcp], key: beta-key"
        )
        let found = reading.diagnostics.filter { $0.code == "pair-mismatch" }
        #expect(found.map(\.path) == ["tunnels.c.protocols", "tunnels.c.key"])
        #expect(!found.contains { $0.description.contains("alpha-key") || $0.description.contains("beta-key") })
        #expect(!reading.hasErrors)
    }

    @Test("5,000 pairs at one port are compared in a moment")
    func many() {
        let servers = (0..<2500).map {
            "  s\($0): {url: 'server://one@127.0.\($0 / 250).\($0 % 250 + 1):2000/h:1?mode=2'}"
        }
        let clients = (0..<2500).map {
            "  c\($0): {url: 'client://two@127.0.\($0 / 250).\($0 % 250 + 1):2000/:9?mode=2'}"
        }
        let text = (["version: 1", "tunnels:"] + servers + clients).joined(separator: "\n")
        let clock = ContinuousClock()
        var found = 0
        let elapsed = clock.measure {
            let reading = ManifestReader.test().read(text: text, file: "m.yaml")
            found = reading.diagnostics.count { $0.code == "pair-mismatch" }
        }
        #expect(found == 2500)
        #expect(elapsed < .seconds(20), "\(elapsed)")
    }
}
