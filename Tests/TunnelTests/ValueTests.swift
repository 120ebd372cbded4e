import Config
import FoundationEssentials
import NIOCore
import Testing

@testable import Tunnel

@Suite("Sniffing, PROXY headers, rates, rotation and backoff, as values")
struct ValueTests {
    struct SniffCase: Sendable, CustomTestStringConvertible {
        let bytes: [UInt8]
        let verdict: ProtocolSniffer.Verdict
        var testDescription: String { "\(bytes) → \(verdict)" }

        init(bytes: [UInt8], verdict: ProtocolSniffer.Verdict) {
            self.bytes = bytes
            self.verdict = verdict
        }

        init(_ text: String, _ verdict: ProtocolSniffer.Verdict) {
            self.init(bytes: Array(text.utf8), verdict: verdict)
        }
    }

    @Test(
        "a protocol is recognised on as few bytes as are enough",
        arguments: [
            SniffCase(bytes: [], verdict: .undecided),
            SniffCase(bytes: [0x16], verdict: .undecided),
            SniffCase(bytes: [0x16, 0x03], verdict: .undecided),
            SniffCase(bytes: [0x16, 0x03, 0x01, 0x02], verdict: .undecided),
            SniffCase(bytes: [0x16, 0x03, 0x01, 0x02, 0x00], verdict: .blocked(.tls)),
            SniffCase(bytes: [0x16, 0x03, 0x04, 0x48, 0x00, 0x01], verdict: .blocked(.tls)),
            SniffCase(bytes: [0x16, 0x03, 0x03, 0x48, 0x01], verdict: .allowed),
            SniffCase(bytes: [0x16, 0x03, 0x03, 0x00, 0x00], verdict: .allowed),
            SniffCase(bytes: [0x16, 0x03, 0x05], verdict: .allowed),
            SniffCase("\u{16}hello", .allowed),
            SniffCase(bytes: [0x05], verdict: .undecided),
            SniffCase(bytes: [0x05, 0x01], verdict: .undecided),
            SniffCase(bytes: [0x05, 0x01, 0x00], verdict: .blocked(.socks)),
            SniffCase(bytes: [0x05, 0x02, 0x00], verdict: .undecided),
            SniffCase(bytes: [0x05, 0x02, 0x00, 0x02], verdict: .blocked(.socks)),
            SniffCase(bytes: [0x05, 0x02, 0x80, 0xFE, 0x61], verdict: .blocked(.socks)),
            SniffCase(bytes: [0x05, 0x02, 0x00, 0xFF], verdict: .allowed),
            SniffCase("\u{5}\u{3}abc", .allowed),
            SniffCase(bytes: [0x05, 0x00], verdict: .allowed),
            SniffCase(bytes: [0x05, 0x09], verdict: .allowed),
            SniffCase(bytes: [0x04, 0x01], verdict: .blocked(.socks)),
            SniffCase(bytes: [0x04, 0x03], verdict: .allowed),
            SniffCase(bytes: Array("G".utf8), verdict: .undecided),
            SniffCase("GET ", .undecided),
            SniffCase("GET /", .blocked(.http)),
            SniffCase("OPTIONS * HTTP/1.1", .blocked(.http)),
            SniffCase("PRI * HTTP/2.0", .blocked(.http)),
            SniffCase("GET  \thttp://a/", .blocked(.http)),
            SniffCase("GET HTTPS://a/", .blocked(.http)),
            SniffCase("POST htt", .undecided),
            SniffCase("VERSION-CONTROL /a", .blocked(.http)),
            SniffCase("CONNECT example.org:443 HTTP/1.1", .blocked(.http)),
            SniffCase("CONNECT [::1]:443\r\n", .blocked(.http)),
            SniffCase("CONNECT example.org:4", .undecided),
            SniffCase("\r\n", .blank),
            SniffCase("\n\r\n\nGET / HTTP/1.1", .blocked(.http)),
            SniffCase("\r\nHELO a", .allowed),
            SniffCase("GET" + String(repeating: " ", count: 257), .blocked(.http)),
            SniffCase("CONNECT " + String(repeating: "a", count: 300), .allowed),
            SniffCase("EHLO mail.example", .allowed),
            SniffCase("USER a", .allowed),
            SniffCase("SET k v", .allowed),
            SniffCase("GET user:1000\r\n", .allowed),
            SniffCase("CONNECT tolsun.oulu.fi 6667", .allowed),
            SniffCase("CONNECT\naccept-version:1.2", .allowed),
            SniffCase("DELETE 1\r\n", .allowed),
            SniffCase("get /", .allowed),
            SniffCase("PROPFINDER /", .allowed),
            SniffCase("HELP", .allowed),
            SniffCase(bytes: Array("PROPFIND /".utf8), verdict: .blocked(.http)),
            SniffCase(bytes: Array("GETx".utf8), verdict: .allowed),
            SniffCase(bytes: Array("SSH-2.0".utf8), verdict: .allowed),
            SniffCase(bytes: Array(repeating: UInt8(ascii: "A"), count: 21), verdict: .allowed),
        ]
    )
    func sniff(_ example: SniffCase) {
        #expect(ProtocolSniffer(blocked: [.socks, .http, .tls]).judge(example.bytes) == example.verdict)
    }

    @Test("a verdict on the first bytes of a protocol does not change when more of them come")
    func steadyVerdicts() {
        let sniffer = ProtocolSniffer(blocked: [.socks, .http, .tls])
        let starts: [[UInt8]] = [
            [0x16], [0x16, 0x03], [0x16, 0x03, 0x03], [0x16, 0x03, 0x03, 0x48],
            [0x05], [0x05, 0x01], [0x05, 0x03, 0x00],
        ]
        for start in starts {
            for next in 0...UInt8.max {
                var verdict = ProtocolSniffer.Verdict.undecided
                let bytes = start + [next, next, next, next]
                for length in 1...bytes.count {
                    let now = sniffer.judge(bytes.prefix(length))
                    #expect(verdict == .undecided || now == verdict, "\(bytes.prefix(length))")
                    verdict = now
                }
                #expect(verdict != .undecided, "\(bytes)")
            }
        }
    }

    @Test(
        "what is not blocked is let through at its first byte",
        arguments: [[UInt8]([0x16]), [0x05], Array("G".utf8)]
    )
    func unblocked(_ bytes: [UInt8]) {
        #expect(ProtocolSniffer(blocked: []).judge(bytes) == .allowed)
    }

    @Test("PROXY v1 names the user and the target")
    func proxyV1() throws {
        let header = try proxyHeader(.v1, "127.0.0.1", 47342, "127.0.0.1", 33081)
        #expect(String(buffer: header) == "PROXY TCP4 127.0.0.1 127.0.0.1 47342 33081\r\n")
    }

    @Test(
        "both addresses of PROXY v1 are of one family",
        arguments: [
            ("::1", "127.0.0.1", "TCP6 ::1 ::ffff:127.0.0.1"),
            ("127.0.0.1", "::1", "TCP6 ::ffff:127.0.0.1 ::1"),
            ("::ffff:10.0.0.1", "2001:db8::1", "TCP6 ::ffff:10.0.0.1 2001:db8::1"),
            ("::ffff:10.0.0.1", "10.0.0.2", "TCP4 10.0.0.1 10.0.0.2"),
            ("2001:db8::2", "2001:db8::1", "TCP6 2001:db8::2 2001:db8::1"),
        ]
    )
    func proxyV1Families(_ user: String, _ target: String, _ text: String) throws {
        #expect(String(buffer: try proxyHeader(.v1, user, 1, target, 2)) == "PROXY \(text) 1 2\r\n")
    }

    @Test("PROXY v2 is the binary form of haproxy's specification")
    func proxyV2() throws {
        let header = try proxyHeader(.v2, "10.0.0.1", 258, "10.0.0.2", 80)
        let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
        let expected = signature + [0x21, 0x11, 0, 12, 10, 0, 0, 1, 10, 0, 0, 2, 1, 2, 0, 80]
        #expect(Array(header.readableBytesView) == expected)
        let mixed = try proxyHeader(.v2, "10.0.0.1", 1, "::1", 2)
        #expect(mixed.readableBytes == 16 + 36)
        #expect(mixed.getBytes(at: 12, length: 4) == [0x21, 0x21, 0, 36])
    }

    private func proxyHeader(
        _ version: ProxyProtocol,
        _ user: String,
        _ userPort: Int,
        _ target: String,
        _ targetPort: Int
    ) throws -> ByteBuffer {
        try #require(
            ProxyHeader.bytes(
                version,
                user: SocketAddress(ipAddress: user, port: userPort),
                target: SocketAddress(ipAddress: target, port: targetPort),
                allocator: ByteBufferAllocator()
            )
        )
    }

    @Test("a limiter lets a burst pass, then asks for exactly the time the rate needs")
    func rate() throws {
        let limiter = RateLimiter(bytesPerSecond: 1_000_000)
        let start = NIODeadline.uptimeNanoseconds(5_000_000_000)
        #expect(limiter.take(5_000, now: start) == nil)
        #expect(limiter.take(5_000, now: start) == nil)
        #expect(limiter.take(100_000, now: start) == .milliseconds(100))
        // Once the debt is paid, reading goes on at once; idle time is not saved up beyond the burst.
        #expect(limiter.take(10_000, now: start + .milliseconds(110)) == nil)
        #expect(limiter.take(20_000, now: start + .seconds(100)) == .milliseconds(10))
    }

    @Test("targets take turns, and one that failed comes last until its hold is over")
    func rotation() throws {
        let targets = try ["a:1", "b:1", "c:1"].map { try Endpoint($0) }
        let rotation = TargetRotation(targets: targets)
        let now = NIODeadline.uptimeNanoseconds(1)
        #expect((0..<4).map { _ in rotation.order(now: now) } == [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]])
        rotation.failed(1, .refused, "Connection refused", now: now)
        #expect(rotation.order(now: now) == [2, 0, 1])
        #expect(rotation.order(now: now) == [2, 0, 1])
        #expect(rotation.order(now: now + .seconds(11)) == [0, 1, 2])
        #expect(rotation.order(now: now + .seconds(11)) == [1, 2, 0])
    }

    @Test("a target's health is its last error and its last success, and stays with the target")
    func health() throws {
        let targets = try ["a:1", "b:1"].map { try Endpoint($0) }
        let rotation = TargetRotation(targets: targets)
        let time = Date(timeIntervalSince1970: 1)
        #expect(rotation.health[0].isUnknown && rotation.health[1].isUnknown)
        for _ in 0..<3 { rotation.failed(1, .refused, "Connection refused", at: time) }
        #expect(rotation.health[1].failures == 3)
        #expect(rotation.health[1].error == "Connection refused")
        let moved = TargetRotation(targets: targets.reversed(), following: rotation)
        #expect(moved.health[0].errorTime == time)
        moved.succeeded(0, at: Date(timeIntervalSince1970: 2))
        #expect(moved.health[0].failures == 0)
        #expect(moved.health[0].error == "Connection refused")
        #expect(moved.health[0].reachedTime == Date(timeIntervalSince1970: 2))
    }

    @Test("lines are thinned: the first, each doubling, one a minute while it goes on, and anew after a quiet minute")
    func thinning() {
        var count = ThinnedCount()
        let start = NIODeadline.uptimeNanoseconds(1)
        #expect((0..<9).compactMap { _ in count.next(now: start) } == [1, 2, 4, 8])
        #expect(count.next(now: start + .seconds(59)) == nil)
        #expect(count.next(now: start + .seconds(61)) == 11)
        #expect(count.next(now: start + .seconds(62)) == nil)
        #expect(count.next(now: start + .seconds(130)) == 1)
    }

    @Test("a thousand of one thing are ten lines, and an hour of it one a minute")
    func thinnedFlood() {
        var count = ThinnedCount()
        let start = NIODeadline.uptimeNanoseconds(1)
        #expect((0..<1000).compactMap { _ in count.next(now: start) }.count == 10)
        let hour = (1...3600).compactMap { count.next(now: start + .seconds($0)) }
        #expect((55...65).contains(hour.count))
    }

    @Test("lines about a state that lasts come after 1, 2, 4 … s, and in the end once a minute")
    func pace() {
        var pace = LinePace()
        let start = NIODeadline.uptimeNanoseconds(1)
        let due = (0..<400).filter { pace.isDue(now: start + .seconds($0)) }
        #expect(due == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363])
    }

    @Test("a burst of exchanges shows ten lines a second, and says how many it left out")
    func allowance() {
        var allowance = LineAllowance(perSecond: 10)
        let start = NIODeadline.uptimeNanoseconds(1)
        #expect((0..<25).compactMap { _ in allowance.next(now: start) } == Array(repeating: 0, count: 10))
        #expect(allowance.next(now: start + .seconds(1)) == 15)
        #expect(allowance.next(now: start + .seconds(1)) == 0)
    }

    @Test("delays double up to the cap, spread by a quarter, and start over after success")
    func backoff() {
        var random = SystemRandomNumberGenerator()
        var backoff = Backoff(base: .seconds(1), cap: .seconds(60))
        for exponent in 0..<10 {
            let plain = min(Duration.seconds(1 << exponent), .seconds(60))
            let delay = backoff.next(using: &random)
            #expect(delay >= plain * 0.75 && delay <= min(plain * 1.25, .seconds(60)))
        }
        backoff.reset()
        #expect(backoff.next(using: &random) <= .milliseconds(1250))
    }

    @Test("environment variables that can not be read mean the default", arguments: ["", "-1s", "abc", "5", "0"])
    func environment(_ text: String) {
        #expect(TunnelEnvironment(variables: ["NP_UDP_READ_TIMEOUT": text]) == TunnelEnvironment())
        #expect(TunnelEnvironment(variables: ["NP_UDP_READ_TIMEOUT": "2s"]).udpIdleTimeout == .seconds(2))
    }
}
