import ArgumentParser
import Config
import Foundation
import NIOCore
import TestSupport
import Testing

@testable import nodepass

@Suite("Reaching a daemon", .timeLimit(.minutes(2)))
struct ConnectionTests {
    private static let manifest = "version: 1\ntunnels: {}\n"

    // MARK: Values

    @Test(
        "an address is HOST:PORT or a URL; without a path it is the API's usual one",
        arguments: [
            ("vps:9091", nil, "vps:9091/api"), ("vps", nil, "vps:9090/api"), ("[::1]:9090", nil, "[::1]:9090/api"),
            ("https://vps", .https, "vps:443/api"), ("http://vps/", .http, "vps:80/api"),
            ("HTTPS://vps:1/deep/er/?x", .https, "vps:1/deep/er"),
            ("http://bücher.test:9090/api", .http, "xn--bcher-kva.test:9090/api"),
        ] as [(String, ServerAddress.Scheme?, String)]
    )
    func address(_ text: String, _ scheme: ServerAddress.Scheme?, _ rest: String) throws {
        let address = try ServerAddress(text)
        #expect(address.scheme == scheme && address.place + address.prefix == rest)
    }

    @Test(
        "what is not an address of a daemon is refused",
        arguments: ["ftp://vps", "vps:0", "vps:x", ":9090", "a@vps", ""]
    )
    func noAddress(_ text: String) {
        #expect(throws: CommandFailure.self) { try ServerAddress(text) }
    }

    private func choice(
        _ arguments: [String],
        _ environment: [String: String] = [:],
        _ file: String = ""
    ) throws
        -> ConnectionChoice
    {
        try ConnectionChoice(try ConnectionOptions.parse(arguments), environment: environment) {
            () throws(CommandFailure) in
            try ContextFile(file, path: "/home/a/.config/nodepass/config.yaml", home: "/home/a", isOpen: true)
        }
    }

    private func remote(_ choice: ConnectionChoice) throws -> RemoteServer {
        guard case .server(let server) = choice.target else { throw CommandFailure(message: "not a server") }
        return server
    }

    private static let contexts = """
        context: prod
        contexts:
          prod: {server: "https://prod.example:9090", api-key: k1, ca-file: ~/ca.pem}
          home: {state-dir: /srv/nodepass}
        """

    @Test("an option wins over a context, a context over a variable; a key goes to the server that it is for")
    func precedence() throws {
        let prod = try choice([], [:], Self.contexts)
        #expect(try remote(prod).name == "https://prod.example:9090" && remote(prod).key == "k1")
        #expect(try remote(prod).trust == .authorities("/home/a/ca.pem"))
        #expect(prod.warnings.contains { $0.contains("chmod 600") })
        let other = try remote(choice(["--server", "other:1"], ["NODEPASS_API_KEY": "k2\r"], Self.contexts))
        #expect(other.key == "k2" && other.trust == .system)
        let variable = try remote(choice([], ["NODEPASS_SERVER": "v:1", "NODEPASS_INSECURE": "1"], Self.contexts))
        #expect(variable.name == "v:1" && variable.trust == .anything)
        let named = try remote(choice(["--context", "prod"], ["NODEPASS_SERVER": "v:1"], Self.contexts))
        #expect(named.key == "k1")
        guard case .socket(let path) = try choice(["--context", "home"], [:], Self.contexts).target else {
            throw CommandFailure(message: "not a socket")
        }
        #expect(path == "/srv/nodepass/nodepass.sock")
        let trust = try remote(choice(["--server", "s"], ["SSL_CERT_FILE": "/ca.pem"])).trust
        #expect(trust == .authorities("/ca.pem"))
    }

    @Test("a file with the key that others can read is warned of, and one that only its owner can read is not")
    func openKeyFile() throws {
        let directory = try TemporaryDirectory()
        let key = try directory.write("k3\n", to: "prod.key")
        let file = "contexts: {a: {server: x, api-key-file: \(key)}}"
        for (mode, isOpen) in [(0o644, true), (0o640, true), (0o600, false)] {
            #expect(chmod(key, mode_t(mode)) == 0)
            let choice = try choice(["--context", "a"], [:], file)
            #expect(try remote(choice).key == "k3")
            #expect(choice.warnings.contains { $0.contains("chmod 600 \(key)") } == isOpen)
        }
    }

    @Test(
        "a mistake in the file of contexts has its place",
        arguments: [
            ("contexts: {a: {servr: x}}", "config.yaml:1:16: unknown key 'servr' (did you mean 'server'?)"),
            ("contexts: {a: {}}", "config.yaml:1:15: needs either server or state-dir"),
            ("contexts: [", "config.yaml:"), ("contexts: {b: {server: x}}", "no context 'a'; it has b"),
            ("contexts: {a: {server: x, fingerprint: 12}}", "is not a SHA-256 fingerprint"),
            ("contexts: {a: {server: x, api-key-file: /nowhere}}", "/nowhere cannot be read"),
        ]
    )
    func badContexts(_ file: String, _ problem: String) throws {
        let failure = try #require(throws: CommandFailure.self) { try choice(["--context", "a"], [:], file) }
        #expect(failure.message.contains(problem), "\(failure.message)")
    }

    @Test("two places or two kinds of trust at once are refused")
    func exclusive() {
        for arguments in [["--server", "a", "--state-dir", "b"], ["--insecure", "--ca-file", "a"]] {
            #expect(throws: (any Error).self) { try ConnectionOptions.parse(arguments) }
        }
    }

    @Test("a socket that may not be opened and a daemon that does not run have different errors")
    func socketProblems() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("", to: "nodepass.sock")
        let denied = ControlSocket.problem(at: path, IOError(errnoCode: EACCES, reason: ""))
        #expect(denied.hasPrefix("permission denied on \(path)"))
        let refused = ControlSocket.problem(at: path, IOError(errnoCode: ECONNREFUSED, reason: ""))
        #expect(refused.contains("Connection refused") && refused.contains("nodepass run"))
        let missing = ControlSocket.problem(at: directory.path + "/none", IOError(errnoCode: ENOENT, reason: ""))
        #expect(missing.hasPrefix("there is no daemon at"))
    }

    // MARK: Daemons

    private func get(
        _ arguments: String...,
        environment: [String: String] = [:]
    ) async throws
        -> RunningProcess.Finished
    {
        try await RunningProcess.run(["get"] + arguments, environment: environment)
    }

    @Test("a self-signed API: refused with its fingerprint, accepted with it, with --insecure and with no other one")
    func selfSigned() async throws {
        let daemon = try await Daemon.start(manifest: Self.manifest, arguments: ["--tls", "self-signed"])
        let key = try #require(try await daemon.apiKey())
        let place = try daemon.address
        let logged = try #require(try daemon.log.firstMatch(of: /fingerprint=(sha256:[0-9A-F:]+)/)?.output.1)
        for server in [place, "https://\(place)", "https://\(place)/api"] {
            let refused = try await get("--server", server, "--api-key", key)
            #expect(refused.code == 1)
            #expect(refused.errors.contains("the server's certificate is self-signed"), "\(refused.errors)")
            #expect(refused.errors.contains("--fingerprint \(logged)"))
            let pinned = try await get("--server", server, "--api-key", key, "--fingerprint", String(logged))
            #expect(pinned.code == 0, "\(pinned.errors)")
        }
        let open = try await get("--server", place, environment: ["NODEPASS_API_KEY": key, "NODEPASS_INSECURE": "1"])
        #expect(open.code == 0 && open.errors.contains("Warning: the certificate of \(place) is not checked"))
        let wrong = "sha256:" + String(repeating: "00", count: 32)
        let other = try await get("--server", place, "--api-key", key, "--fingerprint", wrong)
        #expect(other.code == 1 && other.errors.contains("not the one of --fingerprint"), "\(other.errors)")
        let plain = try await get("--server", "http://\(place)", "--api-key", key)
        #expect(plain.code == 1 && plain.errors.contains("speaks TLS: write https://\(place)"), "\(plain.errors)")
        try await daemon.stop()
    }

    @Test("an API with an authority's certificate: --ca-file, its variable and SSL_CERT_FILE; a wrong name is named")
    func authority() async throws {
        let authority = try TestAuthority()
        let directory = try TemporaryDirectory()
        let trusted = try directory.write(authority.pem, to: "ca.crt")
        try authority.issue(to: ["localhost"], addresses: []).write(to: directory)
        let pair = "\(directory.path)/server.crt,\(directory.path)/server.key"
        let daemon = try await Daemon.start(manifest: Self.manifest, arguments: ["--tls", pair])
        let key = try #require(try await daemon.apiKey())
        let port = try #require(try daemon.address.split(separator: ":").last)
        let unknown = try await get("--server", "localhost:\(port)", "--api-key", key)
        #expect(unknown.errors.contains("is signed by an unknown authority (CN=nodepass test authority)"))
        #expect(unknown.errors.contains("--ca-file"))
        #expect(try await get("--server", "localhost:\(port)", "--api-key", key, "--ca-file", trusted).code == 0)
        for variable in ["NODEPASS_CA_FILE", "SSL_CERT_FILE"] {
            let environment = [variable: trusted]
            #expect(
                try await get("--server", "localhost:\(port)", "--api-key", key, environment: environment).code == 0
            )
        }
        let address = try await get("--server", "https://127.0.0.1:\(port)", "--api-key", key, "--ca-file", trusted)
        #expect(address.code == 1 && address.errors.contains("is for localhost, not 127.0.0.1"), "\(address.errors)")
        try await daemon.stop()
    }

    @Test("plain HTTP: found without a scheme on this machine; TLS to it, a wrong prefix and a wrong key are named")
    func plain() async throws {
        let daemon = try await Daemon.start(manifest: Self.manifest)
        let key = try #require(try await daemon.apiKey())
        let place = try daemon.address
        #expect(try await get("--server", place, "--api-key", key).code == 0)
        #expect(try await get("--server", "http://\(place)", "--api-key", key).code == 0)
        let secure = try await get("--server", "https://\(place)", "--api-key", key)
        #expect(secure.code == 1 && secure.errors.contains("does not speak TLS: write http://\(place)"))
        let prefix = try await get("--server", "http://\(place)/other", "--api-key", key)
        #expect(prefix.errors.contains("no nodepass API at http://\(place)/other: did you mean http://\(place)/api?"))
        let keyless = try await get("--server", place)
        #expect(keyless.code == 1 && keyless.errors.contains("--api-key or NODEPASS_API_KEY"))
        try await daemon.stop()
        let gone = try await get("--server", "http://\(place)", "--api-key", key)
        #expect(gone.errors.contains("cannot be reached (Connection refused)"), "\(gone.errors)")
    }

    @Test("a daemon that drains says so and how many, --socket-group opens the socket to the group and nothing else")
    func draining() async throws {
        let server = try await EchoServer.start()
        let port = try FreePorts.one()
        let group = String(cString: getgrgid(getegid()).pointee.gr_name)
        let daemon = try await Daemon.start(
            manifest: DeclaredTunnelTests.manifest(("web", port, server.port)).replacing(
                "drain: 2s",
                with: "drain: 1h"
            ),
            arguments: ["--socket-group", group, "--shutdown-timeout", "1h"]
        )
        #expect(try #require(FileState.mode(of: daemon.stateDirectory + "/nodepass.sock")) & 0o777 == 0o660)
        #expect(try #require(FileState.mode(of: daemon.stateDirectory)) & 0o777 == 0o710)
        let user = try await TestClient.connect(port: port)
        try await user.send("x")
        _ = try await user.receiveText(1)
        daemon.signal(SIGTERM)
        var answer = try await get("--state-dir", daemon.stateDirectory)
        while answer.code == 0 || answer.errors.contains("Connection refused") {
            answer = try await get("--state-dir", daemon.stateDirectory)
        }
        #expect(answer.errors.contains("is stopping: 1 connection drains, until "), "\(answer.errors)")
        try await user.close()
        #expect(try await daemon.ended() == 0)
        let ended = try await get("--state-dir", daemon.stateDirectory)
        #expect(ended.errors.contains("there is no daemon at"), "\(ended.errors)")
    }
}
