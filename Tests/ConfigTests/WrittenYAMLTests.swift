import Config
import FoundationEssentials
import TestSupport
import Testing

@Suite("YAML as people write it")
struct WrittenYAMLTests {
    private func read(_ keys: String, _ environment: [String: String] = [:]) -> ManifestReading {
        ManifestReader.test(environment).readOne(keys)
    }

    private static let place = "role: client, mode: single, tunnel: ':2000', target: 'h:1'"

    @Test("references and IPv6 addresses need no quotes, in a flow mapping neither, and places stay what they are")
    func unquoted() throws {
        let environment = ["N": "7", "D": "5s", "HOST": "10.0.0.1"]
        let reading = read(
            "role: client, mode: single, tunnel: [::1]:2000, alias: ${env:NO:-a-b}, target: [[2001:db8::1]:80, ${env:HOST}:81], "
                + "limits: {connections: ${env:N}}, drain: ${env:D:-1s}",
            environment
        )
        #expect(reading.lines.isEmpty)
        let spec = try #require(reading.manifest?["t"]).spec
        #expect(spec.tunnel.description == "[::1]:2000")
        #expect(spec.targets.map(\.description) == ["[2001:db8::1]:80", "10.0.0.1:81"] as [String])
        #expect(spec.connections == 7)
        #expect(spec.drain == .seconds(5))
        let ports = read("role: client, mode: single, tunnel: :2000, target: [:80, :81]")
        #expect(ports.manifest?["t"]?.spec.targets.map(\.port) == [80, 81] as [UInt16])
        let wrong = read("\(Self.place), alias: ${env:A:-x}, log: loud")
        #expect(wrong.lines == read("\(Self.place), alias: 'xxxxxxxxx', log: loud").lines)
    }

    @Test("what looks like a reference and is not closed is still an error, and flow collections are what they were")
    func unclosed() throws {
        #expect(read("alias: ${env:A, log: info").hasErrors)
        let root = try #require(YAMLTree("a: [1, [a::1, 2]]\nb: \"[::1]:80 ${env:X}\"\nc: '{x}'\n", file: "a").root)
        #expect(root["a"]?.items?.count == 2)
        #expect(root["a"]?.items?[1].items?.count == 2)
        guard case .scalar(let text)? = root["b"]?.content else { return #expect(Bool(false)) }
        #expect(text.text == "[::1]:80 ${env:X}")
    }

    @Test("a list of addresses, words or networks may be one text with commas")
    func commas() throws {
        let keys = "role: client, mode: single, tunnel: ':2000', target: 'a:1,b:2', protocols: 'tcp, udp', "
        let reading = read(keys + "access: {allow: '10.0.0.0/8, 192.168.0.0/16'}, block: 'http,tls'")
        #expect(reading.lines.isEmpty)
        let spec = try #require(reading.manifest?["t"]).spec
        #expect(spec.targets.map(\.port) == [1, 2] as [UInt16])
        #expect(spec.protocols == [.tcp, .udp])
        #expect(spec.access.allow.count == 2 && spec.block.count == 2)
        let networks = read("\(Self.place), access: {allow: [::1/128, 2001:db8::, fe80::/10, 10.0.0.0/8], deny: ::/0}")
        #expect(networks.lines.isEmpty)
        #expect(networks.manifest?["t"]?.spec.access.allow.count == 4)
    }

    @Test(
        "what an address is not, with what to write",
        arguments: [
            ("tcp://h:1", "write h:1"), ("https://h/x", "write h:443"), ("http://k@h:8080/", "write h:8080"),
            ("h:1/", "write h:1"), ("8080", "write 127.0.0.1:8080"), ("127.0.0.1:8080:80", "two ports"),
            ("8080:80", "two ports"), ("::1:80", "[::1]:80"), ("h", "write host:port"),
        ]
    )
    func addresses(text: String, advice: String) {
        let reading = read("role: client, mode: single, tunnel: ':2000', target: '\(text)'")
        #expect(reading.diagnostics.map(\.path) == ["tunnels.t.target"])
        #expect(reading.diagnostics.first?.message.contains(advice) == true, "\(reading.diagnostics)")
    }

    @Test("a reference in a URL may hold a path, and a key with any character in it")
    func keysInURLs() throws {
        let environment = ["KEY": "a/b?c#d@e:f%\r\n", "ESCAPED": "a%2Fb"]
        let reading = read("url: 'server://${env:KEY}@:2000/h:1'", environment)
        #expect(reading.lines.isEmpty)
        #expect(reading.manifest?["t"]?.spec.key?.value == "a/b?c#d@e:f%")
        let escaped = read("url: server://${env:ESCAPED}@:2000/h:1", environment)
        #expect(escaped.manifest?["t"]?.spec.key?.value == "a/b")
        let missing = read("url: server://${file:/nowhere/x}@:2000/h:1")
        #expect(missing.diagnostics.map(\.code) == ["reference-file"])
    }

    @Test(
        "a line that is not YAML is shown as it should be",
        arguments: [
            ("version: 1\ntunnels:\n\tweb: {}\n", "a tab is used for indentation; use spaces; write:   web: {}"),
            ("version: 1\ntunnels\n  web: {}\n", "a colon is missing after 'tunnels'; write: tunnels:"),
            ("version: 1\ntunnels:\n  a:\n    target: h: 80\n", "a blank splits the address; write:     target: h:80"),
            ("a:\n  alias: b: c\n", "has to be quoted; write:   alias: \"b: c\""),
            ("a:\n  alias: @b\n", "a value that begins with @ has to be quoted; write:   alias: '@b'"),
            ("a:\n  tunnel:h:1\n  log: info\n", "a blank is missing after 'tunnel:'; write:   tunnel: h:1"),
            ("a: \"b\nc: d\n", "the quote that begins in line 1 is never closed: a: \"b"),
            ("a: {b: 1\nc: 2\n", "the { of line 1 is not closed"),
            ("a:\n    b: 1\n  c: 2\n", "is indented by 2 blanks, the line above by 4; write:     c: 2"),
            ("a: \u{201c}b\u{201d}: c\n", "only look like a blank, a colon or quotes; write: a: \"b\": c"),
            ("a:\n  key: se: cret\n", "write:   key: \"…\""),
            ("a:\n  key: @secret\n", "has to be quoted; write:   key: '…'"),
            ("a:\n  role: client\n   log: info\n", "is indented by 3 blanks, the line above by 2; write:   log: info"),
            ("a:\n  alias: 'it's mine'\n", "a quote within quotes has to be written so; write:   alias: 'it''s mine'"),
            ("a:\n  role client\n  mode: single\n", "a colon is missing after 'role'; write:   role: client"),
            ("a:\n  mode: single\n  role client\n  log: info\n", "after 'role'; write:   role: client"),
            ("a:\n  mode: single\n  role client\n", "a colon is missing after 'role'; write:   role: client"),
            ("a:\n  limits:\n    rate 5\nb: 1\nc\n", "a colon is missing after 'c'; write: c:"),
            ("a:\n  mode: single\n  key se-cret\n  log: info\n", "after 'key'; write:   key: …"),
            ("version 1\ntunnels: {}\n", "a colon is missing after 'version'; write: version: 1"),
            ("a: {{ vault }}\n", "render a template such as {{ … }} before"),
            ("a: *b\n", "a text that begins with * has to be quoted: '*b'"),
            ("a: !b\n", "quote a text that begins with !"),
        ]
    )
    func syntax(text: String, advice: String) {
        let diagnostics = YAMLTree(text, file: "a.yaml").diagnostics
        #expect(diagnostics.count == 1)
        #expect(diagnostics.first?.message.contains(advice) == true, "\(diagnostics)")
        #expect(!diagnostics.description.contains("cret"))
    }

    @Test("words for yes and no, numbers in quotes and keys without a blank are shown as they should be")
    func words() {
        let reading = ManifestReader.test().read(
            text: "version: 1\npolicy: {prune: yes}\ntunnels: {t: {\(Self.place), limits: {connections: '10'}}}",
            file: "m.yaml"
        )
        #expect(reading.diagnostics.contains { $0.message.hasSuffix("write true") })
        #expect(reading.diagnostics.contains { $0.message.hasSuffix("write 10") })
        let flow = read("role: client, mode: single, tunnel: ':2000', target: a:1,b:2")
        #expect(flow.diagnostics.first?.message.contains("write several in brackets: target: [host:port, b:2]") == true)
        let other = read("\(Self.place), password: x")
        #expect(other.diagnostics.first?.message == "unknown key; did you mean 'key'?")
        let grouped = read("\(Self.place), rate: 5")
        #expect(grouped.diagnostics.first?.message == "belongs in 'limits'; write limits: {rate: …}")
        #expect(read("role: Client, mode: single, tunnel: ':2000', target: 'h:1', log: INFO").lines.isEmpty)
        let list = ManifestReader.test().read(text: "version: 1\ntunnels:\n- name: web\n", file: "m.yaml")
        #expect(list.diagnostics.first?.message.hasSuffix("write each name as a key: 'web:'") == true)
        let alone = ManifestReader.test().read(text: "version: 1\ntunnels:\n  web:\n    role client\n", file: "m.yaml")
        #expect(alone.diagnostics.map(\.message) == ["a colon is missing after 'role'; write:     role: client"])
        let joined = read("\(Self.place), log:debug")
        #expect(joined.diagnostics.first?.message == "a blank is missing after the colon; write: log: debug")
    }

    @Test(
        "an address that has more than a host and a port is shown as it should be",
        arguments: [
            ("web:80 api:81", "takes one address; write several in brackets: [web:80, api:81]"),
            ("web:80; api:81", "takes one address; write several in brackets: [web:80, api:81]"),
            ("$HOST:8080", "'$HOST' is not replaced; write ${env:HOST}:8080"),
            ("web:53/udp", "an address has no protocol; write web:53 here, and protocols: [udp]"),
            ("::1:80", "an IPv6 address needs brackets: [::1]:80"),
            ("edge.example#.com:1", "'edge.example#.com' is not a host name or address"),
            ("web?x:1", "'web?x' is not a host name or address"),
            ("web:80:81:82", "'web:80:81' is not a host name or address"),
        ]
    )
    func moreThanAddress(text: String, advice: String) {
        let error = #expect(throws: Endpoint.ParseError.self) { try Endpoint(text) }
        #expect(error?.problem == advice)
    }

    @Test(
        "a line is shown without what may be a secret, however it is written",
        arguments: [
            #"key: "abc}SECRET", mode: x"#, "key: 'abc, SECRET'", "key: 'ab''cd, SECRET'", #""key": SECRET"#,
            "{key  :  SECRET}", "{? key : SECRET}", "kye: SECRET", "Key: SECRET", "url: server//SECRET@h:1/t:2",
            "tunnel: SECRET@1.2.3.4:10", "{role: client, url: 'server://SECRET@h:1/t:2'}", "via: http://u:SECRET@p:1",
        ]
    )
    func secrets(line: String) {
        let shown = YAMLAdvice.shown(Substring(line))
        #expect(!shown.contains("SECRET") && shown.contains("…"), "\(shown)")
    }

    @Test("a message about an address does not have what is before an @")
    func secretAddress() throws {
        let error = #expect(throws: Endpoint.ParseError.self) { try Endpoint("SECRET@1.2.3.4:10") }
        #expect(error?.problem.contains("SECRET") == false && error?.problem.contains("…@1.2.3.4") == true)
    }

    // MARK: What Windows adds

    private static let plain =
        "version: 1\ntunnels:\n  t:\n    url: 'server://9f86d081884c7d659a2feaa0c55ad015@:2000/h:1'\n    alias: x\n"

    @Test("byte order marks, carriage returns and UTF-16 make no difference to a file and its includes")
    func windows() throws {
        let directory = try TemporaryDirectory()
        let wide = "\u{feff}" + Self.plain.replacing("\n", with: "\r\n")
        let units = wide.utf16.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] }
        let forms: [[UInt8]] = [
            Array(("\u{feff}" + Self.plain).utf8), Array(Self.plain.replacing("\n", with: "\r\n").utf8), units,
        ]
        let expected = ManifestReader.test().read(text: Self.plain, file: "m.yaml").manifest?["t"]
        for (number, form) in forms.enumerated() {
            let path = directory.file("m\(number).yaml")
            try Data(form).write(to: URL(fileURLWithPath: path))
            let reading = ManifestReader.test().read(paths: [path])
            #expect(reading.lines.isEmpty)
            #expect(reading.manifest?["t"]?.spec == expected?.spec)
            #expect(reading.manifest?["t"]?.labels.alias == "x")
            let root = "\u{feff}version: 1\r\ntunnels: {}\r\ninclude: m\(number).yaml\r\n"
            let including = try directory.write(root, to: "root\(number).yaml")
            #expect(ManifestReader.test().read(paths: [including]).manifest?["t"]?.spec == expected?.spec)
        }
    }

    @Test("none of it becomes part of a value: of files, variables, block scalars and bodies")
    func values() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("\u{feff}secret\r\n", to: "key")
        let environment = ["KEY": "\u{feff}secret\r\n"]
        for value in ["${env:KEY}", "${file:\(file)}", "\"\u{feff}secret\""] {
            let reading = read("url: 'server://:2000/h:1', key: \(value)", environment)
            #expect(reading.manifest?["t"]?.spec.key?.value == "secret")
        }
        let block = Self.plain.replacing(
            "url: 'server://9f86d081884c7d659a2feaa0c55ad015@",
            with: "key: |\r\n      secret\r\n    url: 'server://"
        )
        let reading = ManifestReader.test().read(text: block, file: "m.yaml")
        #expect(reading.manifest?["t"]?.spec.key?.value == "secret")
        let body = try JSONParser.parse(Array("\u{feff}{\"url\": \"server://:1/h:1\\r\\n\"}".utf8))
        #expect(body.trimmingLineEnds["url"] == "server://:1/h:1")
    }
}
