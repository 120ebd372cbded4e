import Foundation
import TestSupport
import Testing

@Suite("What must not be seen", .timeLimit(.minutes(1)))
struct SecretTests {
    @Test("no key of a tunnel, of the API or of TLS is in any log, at the most talkative level, whatever is asked")
    func log() async throws {
        let ports = try FreePorts.take(3)
        let manifest = """
            version: 1
            tunnels:
              declared:
                role: server
                mode: forward
                tunnel: 127.0.0.1:\(ports[0])
                target: 127.0.0.1:\(ports[1])
                key: first-tunnel-secret
                tls: self-signed
            """
        let daemon = try await Daemon.start(manifest: manifest, arguments: ["--log", "debug", "--tls", "self-signed"])
        let created = try await daemon.apiKey() ?? ""
        let id = try #require(await daemon.instance(named: "declared")?.id)
        let base = "/api/v1/instances"
        let port = ports[2]
        try await daemon.request(
            "POST",
            base,
            #"{"url":"server://second-secret@127.0.0.1:\#(port)/127.0.0.1:9?mode=2"}"#
        )
        try await daemon.request("POST", base, #"{"url":"server://third-secret@127.0.0.1:x/127.0.0.1:9"}"#)
        try await daemon.request(
            "PUT",
            base + "/\(id)",
            #"{"url":"server://fourth-secret@127.0.0.1:\#(ports[0])/:9?mode=2"}"#
        )
        try await daemon.request("PATCH", base + "/\(id)", #"{"action":"restart"}"#)
        try daemon.edit(manifest.replacingOccurrences(of: "first-tunnel-secret", with: "fifth-secret"))
        try await daemon.tunnel("declared") { $0.url.contains("fifth-secret") && $0.phase == "connecting" }
        try daemon.edit(manifest.replacingOccurrences(of: "key: first-tunnel-secret", with: "key: [sixth-secret]"))
        try await daemon.request("POST", "/api/v1/reconcile")
        try await daemon.request("PATCH", base + "/********", #"{"action":"restart"}"#)
        let rotated = try #require(await daemon.apiKey())
        #expect(rotated != created)
        try await daemon.stop()
        let log = try daemon.log
        #expect(!log.contains("secret"))
        #expect(!log.contains(rotated))
        #expect(!log.contains("PRIVATE KEY"))
        let shown = log.split(separator: "\n").filter { $0.contains(created) }
        #expect(shown.count == 1 && shown[0].contains("API Key created: \(created)"))
    }

    @Test("watch --json shows no key of a tunnel or of the API and nothing from a reference, unless one asks for it")
    func watchedEvents() async throws {
        let ports = try FreePorts.take(3)
        let manifest = """
            version: 1
            tunnels:
              declared: {role: server, mode: forward, tunnel: "127.0.0.1:\(ports[0])", target: "127.0.0.1:9", \
            key: first-secret}
              referring: {role: client, mode: single, tunnel: "127.0.0.1:\(ports[1])", target: "${env:NP_HIDDEN}"}

            """
        let hidden = "127.0.0.1:\(ports[2])"
        let daemon = try await Daemon.start(manifest: manifest, environment: ["NP_HIDDEN": hidden])
        let key = try #require(try await daemon.apiKey())
        let options = ["watch", "--json", "--state-dir", daemon.stateDirectory]
        var masked = try await FollowedProcess.start(options)
        var clear = try await FollowedProcess.start(options + ["--show-secrets"])
        #expect(await masked.line(with: /"initial".*"referring"/) != nil)
        #expect(await clear.line(with: /"initial".*"referring"/) != nil)
        #expect(clear.seen.contains { $0.contains("first-secret") } && clear.seen.contains { $0.contains(hidden) })
        try daemon.edit(manifest.replacing("first-secret", with: "second-secret"))
        #expect(await clear.line(with: /"update".*second-secret/) != nil)
        try await daemon.request(
            "POST",
            "/api/v1/instances",
            #"{"url":"client://third-secret@[::1]:9/[::1]:9?mode=2"}"#
        )
        #expect(await masked.line(with: /"create".*\[::1\]/) != nil)
        try await daemon.stop()
        _ = try await masked.end()
        _ = try await clear.end()
        #expect(masked.seen.contains { $0.contains("update") && $0.contains("declared") })
        for secret in ["-secret", key, hidden] {
            #expect(!masked.seen.contains { $0.contains(secret) }, "\(secret)")
        }
    }

    @Test("the state directory and all that is in it are their owner's alone")
    func modes() async throws {
        let daemon = try await Daemon.start(manifest: "version: 1\ntunnels: {}\n", arguments: ["--tls", "self-signed"])
        let names = try FileManager.default.contentsOfDirectory(atPath: daemon.stateDirectory)
        #expect(names.contains("state.db") && names.contains("nodepass.sock"))
        for path in [daemon.stateDirectory] + names.map({ daemon.stateDirectory + "/" + $0 }) {
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode.map { $0 & 0o077 } == 0, "\(path)")
        }
        try await daemon.stop()
    }
}
