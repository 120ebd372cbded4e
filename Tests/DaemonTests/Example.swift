import Foundation
import TestSupport
import Testing

/// A two-ended example of `examples/`: its two files, run by two daemons.
struct Example {
    let server: Daemon
    let client: Daemon
    let name: String

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../examples").standardizedFileURL

    /// The text of an example's file, with addresses (or whatever is named) of the test in place of those written there.
    static func text(_ file: String, _ replacements: KeyValuePairs<String, String>) throws -> String {
        var text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
        for (written, actual) in replacements {
            try #require(text.contains(written), "\(file) does not say \(written)")
            text = text.replacing(written, with: actual)
        }
        return text
    }

    /// The manifests of the two ends.
    struct Texts {
        let server: String
        let client: String
    }

    /// Starts the daemons of the tunnel `name`, the server first.
    init(
        _ name: String,
        _ texts: Texts,
        certificate: TestCertificate? = nil,
        environment given: [String: String] = [:]
    ) async throws {
        let environment = Self.environment.merging(given) { $1 }
        let directory = try TemporaryDirectory()
        try certificate?.write(to: directory)
        try directory.write(texts.server, to: "tunnels.yaml")
        self.name = name
        self.server = try await Daemon.start(in: directory, environment: environment)
        self.client = try await Daemon.start(manifest: texts.client, environment: environment)
    }

    /// Waits until both ends serve.
    func ready() async throws {
        try await server.tunnel(name) { $0.phase == "ready" }
        try await client.tunnel(name) { $0.phase == "ready" }
    }

    /// Stops both; connections of the test must be closed by then.
    func stop() async throws {
        try await client.stop()
        try await server.stop()
    }
}

extension Example {
    /// How the examples name their key, and what they need to be read.
    private static let keyReference = "${env:NODEPASS_KEY}"
    static let environment = ["NODEPASS_KEY": "9f86d081884c7d659a2feaa0c55ad015"]

    /// `reverse-tunnel` with a user's port on the server, to an echo server behind the client.
    static func reverse(
        tunnel: Int,
        users: Int,
        target: Int,
        serverKey: String = keyReference,
        clientKey: String = keyReference
    ) throws -> Texts {
        let server = try text(
            "reverse-tunnel/server.yaml",
            [
                "0.0.0.0:10101": "127.0.0.1:\(tunnel)", "0.0.0.0:8080": "127.0.0.1:\(users)",
                keyReference: serverKey,
            ]
        )
        let client = try text(
            "reverse-tunnel/client.yaml",
            [
                "edge.example.com:10101": "127.0.0.1:\(tunnel)", "127.0.0.1:3000": "127.0.0.1:\(target)",
                keyReference: clientKey,
            ]
        )
        return Texts(server: server, client: client)
    }

    /// `tls` with a user's port on the server, to an echo server behind the client, which asks for `localhost`.
    static func tls(tunnel: Int, users: Int, target: Int) throws -> Texts {
        let server = try text(
            "tls/server.yaml",
            ["0.0.0.0:10102": "127.0.0.1:\(tunnel)", "127.0.0.1:5432": "127.0.0.1:\(users)"]
        )
        let client = try text(
            "tls/client.yaml",
            ["edge.example.com:10102": "localhost:\(tunnel)", "127.0.0.1:5432": "127.0.0.1:\(target)"]
        )
        return Texts(server: server, client: client)
    }
}
