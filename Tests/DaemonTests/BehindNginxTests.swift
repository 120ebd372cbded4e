import Foundation
import NIOCore
import TestSupport
import Testing

/// `examples/behind-nginx` with the real nginx, where it is installed.
@Suite("A tunnel behind a web server", .timeLimit(.minutes(2)))
struct BehindNginxTests {
    private static let haproxy = Nginx.path(ofServer: "haproxy")

    @Test(
        "examples/behind-nginx carries users through nginx, beside the site's pages",
        .enabled(if: Nginx.program != nil, "nginx is not installed: apt install nginx")
    )
    func behindNginx() async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(3)
        let web = try await Self.startNginx(listening: ports[1], tunnel: ports[0])
        try await carriesUsers(through: ports, to: target)
        try web.stop()
    }

    @Test(
        "examples/behind-nginx carries users through haproxy in the same way",
        .enabled(if: haproxy != nil, "haproxy is not installed: apt install haproxy")
    )
    func behindHaproxy() async throws {
        let target = try await EchoServer.start()
        let pages = try await EchoServer.start(.answer("HTTP/1.0 200 OK\r\n\r\na page"))
        let ports = try FreePorts.take(3)
        let directory = try TemporaryDirectory()
        let configuration = try Example.text(
            "behind-nginx/haproxy.cfg",
            [
                "bind :443 ssl crt /etc/ssl/www.example.com.pem": "bind 127.0.0.1:\(ports[1])",
                "127.0.0.1:10103": "127.0.0.1:\(ports[0])", "127.0.0.1:8081": "127.0.0.1:\(pages.port)",
            ]
        )
        let path = try directory.write(configuration, to: "haproxy.cfg")
        let process = try RunningProcess(["-db", "-f", path], executable: try #require(Self.haproxy))
        try await carriesUsers(through: ports, to: target)
        kill(process.id, SIGTERM)
    }

    /// Runs both ends of the example with the tunnel, the web server and the users at these ports.
    private func carriesUsers(through ports: [Int], to target: EchoServer) async throws {
        let example = try await Example(
            "app",
            Example.Texts(
                server: try Example.text(
                    "behind-nginx/server.yaml",
                    ["127.0.0.1:10103": "127.0.0.1:\(ports[0])", "0.0.0.0:8080": "127.0.0.1:\(ports[2])"]
                ),
                client: try Example.text(
                    "behind-nginx/client.yaml",
                    [
                        "www.example.com:443": "127.0.0.1:\(ports[1])", "127.0.0.1:3000": "127.0.0.1:\(target.port)",
                    ]
                )
            )
        )
        try await example.ready()
        let user = try await TestClient.connect(port: ports[2])
        try await user.send("through nginx")
        #expect(String(buffer: try await user.receive(13)) == "through nginx")
        try? await user.close()
        let page = try await TestClient.connect(port: ports[1])
        try await page.send("GET / HTTP/1.0\r\n\r\n")
        #expect(String(buffer: try await page.receiveAll()).hasSuffix("a page"))
        try await example.stop()
    }

    @Test(
        "one path of nginx carries a hundred tunnels, each with its own service",
        .enabled(if: Nginx.program != nil, "nginx is not installed: apt install nginx")
    )
    func hundred() async throws {
        let count = 100
        let ports = try FreePorts.take(count + 2)
        var targets: [EchoServer] = []
        for number in 0..<count { targets.append(try await EchoServer.start(.answer("target \(number)"))) }
        let web = try await Self.startNginx(listening: ports[count + 1], tunnel: ports[count])
        func manifest(_ defaults: String, _ target: (Int) -> Int, tunnel: Int) -> String {
            let tunnels = (0..<count).map { number in
                "  t\(number): {service: s\(number), path: /tunnel/app, tunnel: '127.0.0.1:\(tunnel)',"
                    + " target: '127.0.0.1:\(target(number))'}"
            }
            return "version: 1\ndefaults: {key: '${env:NODEPASS_KEY}', \(defaults)}\ntunnels:\n"
                + tunnels.joined(separator: "\n")
        }
        let example = try await Example(
            "t0",
            Example.Texts(
                server: manifest(
                    "role: server, mode: reverse, transport: websocket",
                    { ports[$0] },
                    tunnel: ports[count]
                ),
                client: manifest(
                    "role: client, mode: dual, pool: {min: 1}",
                    { targets[$0].port },
                    tunnel: ports[count + 1]
                )
            )
        )
        for number in 0..<count {
            try await example.client.tunnel("t\(number)") { $0.phase == "ready" }
        }
        for number in 0..<count {
            let user = try await TestClient.connect(port: ports[number])
            try await user.send("who?")
            #expect(String(buffer: try await user.receiveAll()) == "target \(number)")
            try? await user.close()
        }
        try await example.stop()
        try web.stop()
    }

    /// Runs nginx with the example's file; what it has at `/` is a page.
    private static func startNginx(listening port: Int, tunnel: Int) async throws -> Nginx {
        let directory = try TemporaryDirectory()
        try directory.write("a page", to: "index.html")
        let configuration = try Example.text(
            "behind-nginx/nginx.conf",
            [
                "listen 443 ssl": "listen 127.0.0.1:\(port)", "127.0.0.1:10103": "127.0.0.1:\(tunnel)",
                "ssl_certificate     /etc/ssl/www.example.com.crt;": "",
                "ssl_certificate_key /etc/ssl/www.example.com.key;": "", "/var/www/html": directory.path,
            ]
        )
        return try await Nginx.start(configuration, in: directory)
    }
}
