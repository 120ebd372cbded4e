import Foundation
import NIOCore
import TestSupport
import Testing

@Suite("docs/recipes.md", .timeLimit(.minutes(3)))
struct RecipesTests {
    private let blocks: [PageBlock]

    init() throws {
        blocks = PageBlock.all(in: try PageBlock.page("docs/recipes.md"))
    }

    private func manifest(_ name: String, of recipe: String) throws -> String {
        try #require(blocks.first { $0.heading == recipe && $0.subject == name }, "\(recipe): \(name)").text
    }

    @Test("every manifest of the page is valid, and gives no warning")
    func manifests() async throws {
        let manifests = blocks.filter { $0.language == "yaml" }
        #expect(Set(manifests.map(\.heading)).count == 12)
        let directory = try TemporaryDirectory()
        for manifest in manifests {
            let path = try directory.write(manifest.text, to: "tunnels.yaml")
            let finished = try await RunningProcess.run(["validate", "--allow-unset", "--format", "github", path])
            // Whether low ports are allowed is a question of who runs the test.
            let problems = finished.output.split(separator: "\n").filter { !$0.contains("privileged-port") }
            #expect(finished.code == 0 && problems.isEmpty, "\(manifest.heading): \(problems)")
        }
        let pairs = manifests.filter { $0.subject == "server.yaml" }.map(\.heading)
        #expect(Set(pairs) == Set(Self.pairs), "a pair without a test")
        let blocksWithCommands = Set(blocks.filter { $0.language == "console" }.map(\.heading))
        #expect(blocksWithCommands == Set(Self.transcripts), "commands without a test")
    }

    // MARK: Bytes

    private static let pairs = [
        "SSH behind NAT", "A database on a laptop", "A game server", "Minecraft", "A web server by name",
    ]

    /// A manifest with ports of this machine in place of its addresses.
    private static func local(_ text: String, tunnel: Int, target: Int) -> String {
        text.replacing(/tunnel: [^ \n]+/, with: "tunnel: 127.0.0.1:\(tunnel)")
            .replacing(/target: (\[.*\]|[^ \n]+)/, with: "target: 127.0.0.1:\(target)")
    }

    private func carries(_ text: String, over manifest: String, port: Int) async throws {
        if manifest.contains("protocols: [udp]") {
            let user = try await DatagramClient.connect(port: port)
            var answers = user.datagrams.makeAsyncIterator()
            try await user.send(ByteBuffer(string: text))
            #expect(await answers.next() == ByteBuffer(string: text))
        } else {
            let user = try await TestClient.connect(port: port)
            try await user.send(text)
            #expect(try await user.receiveText(text.utf8.count) == text)
            try await user.close()
        }
    }

    @Test("the recipe's two ends carry what users send", arguments: pairs)
    func pair(_ recipe: String) async throws {
        let server = try manifest("server.yaml", of: recipe)
        let client = try manifest("client.yaml", of: recipe)
        let stream = try await EchoServer.start()
        let datagrams = try await DatagramEchoServer.start()
        let target = server.contains("protocols: [udp]") ? datagrams.port : stream.port
        let ports = try FreePorts.take(2)
        let isReverse = server.contains("mode: reverse")
        let texts = Example.Texts(
            server: Self.local(server, tunnel: ports[0], target: isReverse ? ports[1] : target),
            client: Self.local(client, tunnel: ports[0], target: isReverse ? target : ports[1])
        )
        let name = try #require(server.firstMatch(of: /\n  ([a-z]+):\n/)).1
        let example = try await Example(String(name), texts)
        try await example.ready()
        try await carries("what a user sends", over: server, port: ports[1])
        try await example.stop()
    }

    @Test("the recipe's one end carries datagrams", arguments: ["DNS", "WireGuard"])
    func single(_ recipe: String) async throws {
        let text = try manifest("tunnels.yaml", of: recipe)
        let target = try await DatagramEchoServer.start()
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(manifest: Self.local(text, tunnel: port, target: target.port))
        try await carries("what a user sends", over: "protocols: [udp]", port: port)
        try await daemon.stop()
    }

    // MARK: Commands

    private static let transcripts = [
        "Blue and green", "A canary", "A maintenance page", "A noisy neighbor", "Dashboards",
    ]

    @Test("the recipe's commands do what the page shows", arguments: transcripts)
    func transcript(_ recipe: String) async throws {
        let written = try PageBlock.page("docs/recipes.md")
        let (page, ports) = try PageBlock.withFreePorts(["8080", "18081", "18082", "18083"], in: written)
        let blocks = PageBlock.all(in: page).filter { $0.heading == recipe }
        for (port, name) in zip(ports.dropFirst(), ["blue", "green", "maintenance"]) {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: \(name.utf8.count + 1)\r\nConnection: close\r\n\r\n"
            _ = try await EchoServer.start(.answer(head + name + "\n"), at: port)
        }
        let directory = try TemporaryDirectory()
        try directory.write(try #require(blocks.first { $0.language == "yaml" }).text, to: "tunnels.yaml")
        let daemon = try await Daemon.start(in: directory)
        let steps = Transcript(blocks.filter { $0.language == "console" }.map(\.text).joined()).steps
        try await Transcript.replay(steps, in: directory.path)
        try await daemon.stop()
    }

    // MARK: By name

    @Test(
        "nginx passes the site's name on to the tunnel",
        .enabled(if: Nginx.program != nil, "nginx is not installed: apt install nginx")
    )
    func byName() async throws {
        let page = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\npage"
        let target = try await EchoServer.start(.answer(page))
        let port = try FreePorts.one()
        var text = try #require(blocks.first { $0.language == "nginx" }).text
        let places = ["443 ssl": "127.0.0.1:\(port)", "127.0.0.1:8081": "127.0.0.1:\(target.port)"]
        for (written, actual) in places {
            try #require(text.contains(written))
            text = text.replacing(written, with: actual)
        }
        text = text.replacing(/ssl_certificate.*;/, with: "")
        let directory = try TemporaryDirectory()
        let nginx = try await Nginx.start("events {}\nhttp {\n\(text)\n}\n", in: directory)
        let user = try await TestClient.connect(port: port)
        try await user.send("GET / HTTP/1.0\r\nHost: app.example.com\r\n\r\n")
        #expect(String(buffer: try await user.receiveAll()).hasSuffix("\r\n\r\npage"))
        try nginx.stop()
    }
}
