import Foundation
import TestSupport
import Testing

@Suite("A real Prometheus", .timeLimit(.minutes(3)))
struct PrometheusTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    private static let rules = root.appendingPathComponent("packaging/prometheus-alerts.yml").path

    /// Both programs are of Debian's package prometheus, which `make test` installs.
    static var isInstalled: Bool {
        ["prometheus", "promtool"].allSatisfy { FileManager.default.isExecutableFile(atPath: "/usr/bin/" + $0) }
    }

    @Test("the alerts are rules", .enabled(if: isInstalled, "install Debian's package prometheus"))
    func rules() async throws {
        let check = try await RunningProcess.run(["check", "rules", Self.rules], executable: "/usr/bin/promtool")
        #expect(check.code == 0 && check.output.contains("SUCCESS"), "\(check.output)\(check.errors)")
    }

    @Test("every metric is well formed", .enabled(if: isInstalled, "install Debian's package prometheus"))
    func lint() async throws {
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("web", try FreePorts.one(), 9)))
        let directory = try TemporaryDirectory()
        try await daemon.request("GET", "/metrics").text
            .write(toFile: directory.file("metrics"), atomically: true, encoding: .utf8)
        let script = "exec promtool check metrics < \(directory.file("metrics"))"
        let check = try await RunningProcess.run(["-c", script], executable: "/bin/sh")
        #expect(check.code == 0, "\(check.output)\(check.errors)")
        try await daemon.stop()
    }

    @Test(
        "it scrapes a daemon with its key, and has an alert pending for a target that is down",
        .enabled(if: isInstalled, "install Debian's package prometheus")
    )
    func scrape() async throws {
        let ports = try FreePorts.take(4)
        let daemon = try await Daemon.start(
            manifest: DeclaredTunnelTests.manifest(("web", ports[0], ports[1])),
            listen: "127.0.0.1:\(ports[2])"
        )
        for _ in 0..<3 {
            let user = try await TestClient.connect(port: ports[0])
            _ = try await user.receiveAll()
        }
        let directory = try TemporaryDirectory()
        let key = try #require(try await daemon.apiKey())
        try key.write(toFile: directory.file("key"), atomically: true, encoding: .utf8)
        let script = Self.root.appendingPathComponent("Tests/DaemonTests/Clients/prometheus.py").path
        let reading = try await RunningProcess.run(
            [
                "python3", script, directory.path, String(ports[3]), "127.0.0.1:\(ports[2])", directory.file("key"),
                Self.rules, #"up{job="nodepass"}"#, #"nodepass_tunnel_target_up{tunnel="web"} == bool 0"#,
                #"nodepass_tunnel_phase{tunnel="web",phase="ready"}"#,
                #"ALERTS{alertname="NodepassTargetDown",tunnel="web",alertstate="pending"}"#,
            ],
            executable: "/usr/bin/env"
        )
        #expect(reading.code == 0, "\(reading.output)\(reading.errors)")
        try await daemon.stop()
    }
}
