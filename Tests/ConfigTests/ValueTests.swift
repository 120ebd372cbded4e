import Config
import Testing

struct ValueTests {
    @Test(
        "an endpoint is read as people write it",
        arguments: [
            ("127.0.0.1:80", "127.0.0.1", 80), (":8080", "", 8080), ("[::1]:1", "::1", 1),
            ("example.com:65535", "example.com", 65535), ("[fe80::1%eth0]:7", "fe80::1%eth0", 7), ("h:0", "h", 0),
        ] as [(String, String, UInt16)]
    )
    func endpoint(text: String, host: String, port: UInt16) throws {
        let endpoint = try Endpoint(text)
        #expect(endpoint == Endpoint(host: host, port: port))
        #expect(endpoint.description == text)
    }

    @Test(
        "what is not an endpoint is refused",
        arguments: [
            "", "host", "host:", "host:65536", "host:+1", "host:-1", "::1:80", "[]:80", "[host]:80", "[::1:80",
            "a b:1", "a\u{a0}b:1", "a/b:1", "k@h:1", "a]:1", "h:٣", "h:\u{301}1",
        ]
    )
    func badEndpoint(text: String) {
        #expect(throws: Endpoint.ParseError.self) { try Endpoint(text) }
    }

    @Test(
        "durations use Go's notation",
        arguments: [
            ("0", Duration.zero, "0s"), ("500ms", .milliseconds(500), "500ms"), ("30s", .seconds(30), "30s"),
            ("1h30m", .seconds(5400), "1h30m0s"), ("5m0s", .seconds(300), "5m0s"),
            ("1.5s", .milliseconds(1500), "1.5s"),
            ("1d", .seconds(86400), "24h0m0s"), ("250us", .microseconds(250), "250µs"),
            ("+7ns", .nanoseconds(7), "7ns"),
        ]
    )
    func duration(text: String, value: Duration, canonical: String) {
        #expect(GoDuration.parse(text) == value)
        #expect(GoDuration.text(value) == canonical)
    }

    @Test("what is not a duration is refused", arguments: ["", "5", "-1s", "1x", "s", "1..5s", "99999999999h", "1 s"])
    func badDuration(text: String) {
        #expect(GoDuration.parse(text) == nil)
    }

    @Test(
        "a network contains its addresses only",
        arguments: [
            ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("0.0.0.0/0", "1.2.3.4", true),
            ("192.168.1.64/26", "192.168.1.127", true), ("192.168.1.64/26", "192.168.1.128", false),
            ("10.0.0.1", "10.0.0.1", true), ("10.0.0.1", "10.0.0.2", false), ("2001:db8::/32", "2001:db8:1::5", true),
            ("2001:db8::/32", "2001:db9::5", false), ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("::/0", "10.0.0.1", false),
        ]
    )
    func network(text: String, address: String, isInside: Bool) throws {
        let network = try #require(IPNetwork(text))
        #expect(network.contains(try #require(IPAddress(address))) == isInside)
        #expect(IPNetwork(network.description) == network)
    }

    @Test(
        "what is not a network is refused",
        arguments: [
            "", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/", "010.0.0.1", "::1/129", "1:2:3", "example.com",
            "1::2::3", "1.2.3.4.5", "1.2.3.256", "1.2.3.0256", "1..2.3", "1.2.3.", "1.2.3.٤", "1.2.3.+4",
        ]
    )
    func badNetwork(text: String) {
        #expect(IPNetwork(text) == nil)
    }

    @Test(
        "JSON escapes what Go escapes and what turns a line around, and nothing else",
        arguments: [
            ("", ""), ("plain é😀€", "plain é😀€"), ("a\"b\\c", #"a\"b\\c"#), ("\n\r\t", #"\n\r\t"#),
            ("\u{0}\u{8}\u{1f}\u{7f}", #"\u0000\u0008\u001f\u007f"#), ("<a&b>", #"\u003ca\u0026b\u003e"#),
            ("\u{2027}\u{2028}\u{2029}\u{202a}", "\u{2027}\\u2028\\u2029\\u202a"),
            (
                "\u{61b}\u{61c}\u{200d}\u{200e}\u{2065}\u{2066}\u{2069}",
                "\u{61b}\\u061c\u{200d}\\u200e\u{2065}\\u2066\\u2069"
            ),
            ("\u{fefe}\u{feff}\u{202e}ש", "\u{fefe}\\ufeff\\u202eש"),
            ("é&", #"é\u0026"#),
        ]
    )
    func jsonText(text: String, escaped: String) {
        let value: JSONValue = .object([JSONValue.Member(text, .array([.string(text), .null]))])
        #expect(value.compactText == "{\"\(escaped)\":[\"\(escaped)\",null]}")
        #expect(value.prettyText == "{\n  \"\(escaped)\": [\n    \"\(escaped)\",\n    null\n  ]\n}")
    }

    @Test("a secret never shows itself")
    func secret() {
        var spec = TunnelSpec(role: .server, tunnel: Endpoint(host: "", port: 1), targets: [])
        spec.key = Secret("hunter2")
        var dumped = ""
        dump(spec, to: &dumped)
        for text in ["\(spec)", String(reflecting: spec), dumped, spec.displayURL()] {
            #expect(!text.contains("hunter2"))
        }
        #expect(spec.url.contains("hunter2"))
    }
}
