import API
import Config
import FoundationEssentials
import Reconciler
import TestSupport
import Testing

@testable import Tunnel

@Suite("Values of the API")
struct ValueTests {
    @Test(
        "the first JSON value counts and what follows it does not",
        arguments: [
            (#" {"a":[1,-2.5,true,null]} rest"#, #"{"a":[1,-2.5,true,null]}"#),
            (#""\u00e9\ud83d\ude00\ud83d\n""#, "\"é😀\u{fffd}\\n\""),
            ("9223372036854775807", "9223372036854775807"),
            ("{}", "{}"),
        ]
    )
    func json(_ text: String, _ compact: String) throws {
        #expect(try JSONParser.parse(Array(text.utf8)).compactText == compact)
    }

    @Test(
        "what is no JSON is refused",
        arguments: [
            "", "{", "[1,]", #"{"a" 1}"#, "tru", "01x", "\"\u{1}\"", #""\x""#, "-", "1e999",
            String(repeating: "[", count: 10_000),
        ]
    )
    func badJSON(_ text: String) {
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse(Array(text.utf8)) }
    }

    @Test(
        "times are RFC 3339 in UTC with trimmed fractions",
        arguments: [
            (0.0, "1970-01-01T00:00:00Z"), (951_782_400.5, "2000-02-29T00:00:00.5Z"),
            (1_795_480_948.25, "2026-11-24T00:42:28.25Z"), (-1.0, "1969-12-31T23:59:59Z"),
            (4_107_542_399.0, "2100-02-28T23:59:59Z"),
        ]
    )
    func time(_ seconds: Double, _ text: String) {
        #expect(RFC3339.text(Date(timeIntervalSince1970: seconds)) == text)
    }

    @Test(
        "form decoding leaves alone what is no escape",
        arguments: [
            ("a+b%20c", "a b c"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("%5B::1%5D", "[::1]"), ("", ""),
        ]
    )
    func form(_ text: String, _ decoded: String) {
        #expect(FormCoding.decoded(text) == decoded)
    }

    @Test("every phase has one of v1.14's three words")
    func status() {
        let words = TunnelPhase.allCases.map { WireStatus($0) }
        #expect(words == [.running, .running, .running, .stopped, .stopped, .stopped, .error, .error])
    }

    @Test(
        "a certificate is shown with the whole days it has left, and with a warning in its last two weeks",
        arguments: [
            (20.5, 20, nil), (5.5, 5, "expires in 5 days"), (0.5, 0, "less than a day"), (-0.5, -1, "has expired"),
        ]
    )
    func certificate(left: Double, days: Int64, warning: String?) throws {
        let pem = try TestAuthority().issue(to: ["localhost"]).pem.split(separator: "\n")
        let der = try #require(Data(base64Encoded: pem.filter { !$0.hasPrefix("-") }.joined()))
        let certificate = try CertificateSummary(der: Array(der), path: "/srv/a.crt")
        let spec = TunnelSpec(role: .server, tunnel: try Endpoint("a:1"), targets: [try Endpoint("b:2")])
        let record = InstanceRecord(
            id: "00000001",
            origin: .api,
            url: spec.url,
            spec: spec,
            labels: TunnelLabels(),
            revision: "1",
            createdAt: certificate.notBefore
        )
        var status = TunnelStatus(spec: spec, generation: 0, transitions: [])
        status.certificate = certificate
        let instance = try #require(DesiredInstance(record)).instance(status: status, traffic: Traffic())
        let now = certificate.notAfter.addingTimeInterval(-left * 86_400)
        let shown = try #require(InstanceView.object(instance, now: now)["certificate"])
        #expect(shown.names == ["subject", "notBefore", "notAfter", "fingerprint", "expiresInDays", "warning"])
        #expect(shown["subject"] == "CN=test server")
        #expect(shown["notAfter"]?.stringValue == RFC3339.text(certificate.notAfter))
        #expect(shown["expiresInDays"]?.intValue == days)
        #expect((shown["warning"] == JSONValue.null) == (warning == nil))
        if let warning { #expect(shown["warning"]?.stringValue?.contains(warning) == true) }
    }

    @Test("bad keys are counted per address, within a window")
    func badKeys() {
        let counter = BadKeyCounter()
        let start = ContinuousClock.now
        for _ in 0..<BadKeyCounter.allowed { #expect(counter.record("a", at: start) == nil) }
        #expect(counter.record("a", at: start + .seconds(20)) == .seconds(40))
        #expect(counter.record("b", at: start) == nil)
        #expect(counter.record("a", at: start + BadKeyCounter.window) == nil)
    }

    @Test("an address more than the table holds pushes out the one seen longest ago")
    func badKeyTable() {
        let counter = BadKeyCounter()
        let start = ContinuousClock.now
        for _ in 0...BadKeyCounter.allowed { _ = counter.record("first", at: start) }
        for number in 1...BadKeyCounter.addressLimit {
            _ = counter.record("other \(number)", at: start + .milliseconds(number))
        }
        #expect(counter.record("first", at: start + .seconds(2)) == nil)
    }

    @Test("the texts of /proc are read as NodePass reads them")
    func proc() {
        let memory = ProcText.memory("MemTotal:  100 kB\nMemAvailable: 60 kB\nSwapTotal: 10 kB\nSwapFree: 4 kB\n")
        #expect(memory.total == 102_400 && memory.used == 40_960)
        #expect(memory.swapTotal == 10_240 && memory.swapUsed == 6_144)
        let network = ProcText.network(
            """
            Inter-|   Receive  |  Transmit
             face |bytes packets errs drop fifo frame compressed multicast|bytes packets
                lo: 9 0 0 0 0 0 0 0 9 0
              eth0: 5 1 0 0 0 0 0 0 7 1
            docker0: 8 1 0 0 0 0 0 0 8 1
            """
        )
        #expect(network.received == 5 && network.sent == 7)
        let disk = ProcText.disk("8 0 sda 1 2 3 4 5 6 7\n8 1 sda1 1 2 3 4 5 6 7\n7 0 loop0 1 2 3 4 5 6 7\n")
        #expect(disk.read == 3 * 512 && disk.written == 7 * 512)
        let before = ProcText.cpuTimes("cpu  10 0 10 70 10 0 0 0 0 0\n")
        let after = ProcText.cpuTimes("cpu  35 0 35 110 20 0 0 0 0 0\n")
        #expect(after.percentBusy(since: before) == 50)
        #expect(ProcText.uptime("2147.55 100.0") == 2147)
    }
}
