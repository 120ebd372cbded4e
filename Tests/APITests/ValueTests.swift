import API
import Config
import FoundationEssentials
import Reconciler
import TestSupport
import Testing

@testable import Tunnel

@Suite("Values of the API")
struct ValueTests {
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
