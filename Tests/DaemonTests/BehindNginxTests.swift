import Foundation
import NIOCore
import TestSupport
import Testing

/// `examples/behind-nginx` with the real nginx, where it is installed.
@Suite("A tunnel behind a web server", .timeLimit(.minutes(2)))
struct BehindNginxTests {
    @Test(
        "examples/behind-nginx carries users through nginx, beside the site's pages",
        .enabled(if: Nginx.program != nil, "nginx is not installed: apt install nginx")
    )
    func behindNginx() async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(3)
        let directory = try TemporaryDirectory()
        try directory.write("a page", to: "index.html")
        let configuration = try Example.text(
            "behind-nginx/nginx.conf",
            [
                "listen 443 ssl": "listen 127.0.0.1:\(ports[1])", "127.0.0.1:10103": "127.0.0.1:\(ports[0])",
                "ssl_certificate     /etc/ssl/www.example.com.crt;": "",
                "ssl_certificate_key /etc/ssl/www.example.com.key;": "", "/var/www/html": directory.path,
            ]
        )
        let nginx = try await Nginx.start(configuration, in: directory)
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
        try await nginx.stop()
    }
}
