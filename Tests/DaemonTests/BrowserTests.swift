import Foundation
import TestSupport
import Testing

@Suite("The dashboard and the documentation in a browser", .timeLimit(.minutes(5)))
struct BrowserTests {
    @Test("everything that the pages offer works on a running daemon, by mouse, by keyboard and on a phone's width")
    func pages() async throws {
        let ports = try FreePorts.take(7)
        let address = "127.0.0.1:\(ports[0])"
        let daemon = try await Daemon.start(manifest: "version: 1\ntunnels: {}\n", listen: address)
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("BrowserTests/browser-tests.mjs")
        let key = try #require(try await daemon.apiKey())
        let tunnelPorts = ports.dropFirst().map(String.init).joined(separator: ",")
        let browser = try await RunningProcess.run(
            ["node", script.path, "http://\(address)", key, daemon.manifestPath, tunnelPorts],
            executable: "/usr/bin/env"
        )
        let hasPassed = browser.code == 0 && browser.output.hasSuffix(" passed\n")
        #expect(hasPassed, "\(browser.output)\(browser.errors)")
        try await daemon.stop()
    }
}
