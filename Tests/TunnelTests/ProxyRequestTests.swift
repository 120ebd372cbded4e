import Config
import Testing

@testable import Tunnel

@Suite("How a proxy is asked for a connection")
struct ProxyRequestTests {
    private static func request(_ proxy: String, to server: String = "edge.example.com:10101") throws -> ProxyRequest {
        ProxyRequest(try ProxyAddress(proxy), to: try Endpoint(server))
    }

    /// The steps that come of an answer in segments of this length.
    private static func steps(_ request: ProxyRequest, _ answers: [[UInt8]], segment: Int) -> [ProxyRequest.Step] {
        var request = request
        var steps: [ProxyRequest.Step] = []
        for answer in answers {
            var rest = answer[...]
            while !rest.isEmpty {
                let step = request.received(rest.prefix(segment))
                if step != .more { steps.append(step) }
                rest = rest.dropFirst(segment)
            }
        }
        return steps
    }

    @Test("an HTTP proxy is sent CONNECT, with its user, and what follows its answer is the server's")
    func http() throws {
        let request = try Self.request("http://us%20er:p%40ss@proxy:3128")
        let text = String(decoding: request.greeting, as: UTF8.self)
        #expect(
            text == "CONNECT edge.example.com:10101 HTTP/1.1\r\nHost: edge.example.com:10101\r\n"
                + "Proxy-Authorization: Basic dXMgZXI6cEBzcw==\r\n\r\n"
        )
        let answer = Array("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nid".utf8)
        #expect(Self.steps(request, [answer], segment: .max) == [.connected(Array("id".utf8))])
        #expect(Self.steps(request, [Array(answer.dropLast(2))], segment: 1) == [.connected([])])
    }

    static let refusals: [(String, [[UInt8]], String)] = [
        ("http://p:1", [Array("HTTP/1.1 403 Forbidden by \u{1b}[31mpolicy\r\n\r\n".utf8)], "it does not speak HTTP"),
        (
            "http://p:1", [Array("HTTP/1.0 407 Proxy Authentication Required\r\n\r\n".utf8)],
            "407 Proxy Authentication Required"
        ),
        ("http://p:1", [Array("SSH-2.0-OpenSSH\r\n".utf8)], "it does not speak HTTP"),
        ("socks5://p:1", [[5, 0xFF]], "it wants another way to log in"),
        ("socks5://p:1", [[4, 0]], "it does not speak SOCKS5"),
        ("socks5://p:1", [[5, 2]], "it wants another way to log in"),
        ("socks5://u:p@p:1", [[5, 2], [1, 1]], "wrong user or password"),
        ("socks5://p:1", [[5, 0], [5, 5, 0, 1, 0, 0, 0, 0, 0, 0]], "connection refused (5)"),
        ("socks5://p:1", [[5, 0], [5, 0, 0, 9, 0, 0, 0, 0, 0, 0]], "its answer cannot be read"),
    ]

    @Test("its refusal is reported in its words", arguments: refusals, [1, Int.max])
    func refused(_ refusal: (String, [[UInt8]], String), _ segment: Int) throws {
        let (proxy, answers, why) = refusal
        let last = Self.steps(try Self.request(proxy), answers, segment: segment).last
        #expect(last == .refused(why))
    }

    @Test("a SOCKS5 proxy gets the server's name or address, and a login where there is a user")
    func socks() throws {
        let byName = try Self.request("socks5://u:pw@p:1080")
        #expect(byName.greeting == [5, 1, 2])
        let answers: [[UInt8]] = [[5, 2], [1, 0], [5, 0, 0, 3, 2, 65, 66, 0, 80, 7]]
        let name = Array("edge.example.com".utf8)
        let expected: [ProxyRequest.Step] = [
            .send([1, 1, 117, 2, 112, 119]), .send([5, 1, 0, 3, UInt8(name.count)] + name + [0x27, 0x75]),
            .connected([7]),
        ]
        #expect(Self.steps(byName, answers, segment: .max) == expected)
        var byAddress = try Self.request("socks5://p:1080", to: "192.0.2.7:80")
        #expect(byAddress.greeting == [5, 1, 0])
        #expect(byAddress.received([5, 0]) == .send([5, 1, 0, 1, 192, 0, 2, 7, 0, 80]))
    }

    @Test("a proxy's URL is read, and shown without its password")
    func url() throws {
        let proxy = try ProxyAddress("SOCKS5://us%3Aer:s%2Fecret@[2001:db8::1]:1080/")
        #expect(proxy.user == "us:er")
        #expect(proxy.password?.value == "s/ecret")
        #expect(proxy.endpoint == Endpoint(host: "2001:db8::1", port: 1080))
        #expect(proxy.description == "socks5://us%3Aer:\(Secret.mask)@[2001:db8::1]:1080")
        #expect(try ProxyAddress(proxy.url) == proxy)
        for text in ["proxy:3128", "ftp://p:1", "http://p", "http://:pass@p:1", "http://u:%GG@p:x", ""] {
            #expect(throws: Endpoint.ParseError.self) { try ProxyAddress(text) }
        }
    }
}
