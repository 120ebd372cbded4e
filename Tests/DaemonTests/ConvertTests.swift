import Config
import Foundation
import TestSupport
import Testing

@testable import nodepass

@Suite("nodepass convert", .timeLimit(.minutes(2)))
struct ConvertTests {
    // MARK: The page about it

    /// A command of docs/migrating.md, what it prints there, and the files that the page has.
    private struct Shown {
        let command: String
        let output: String
    }

    /// The page's files, by name, and the commands with their output.
    private static func page() throws -> (files: [String: String], shown: [Shown]) {
        let page = Example.folder.appendingPathComponent("../docs/migrating.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        var files: [String: String] = [:]
        var shown: [Shown] = []
        // Before a block stands what it is: a file's name, or a command.
        let pieces = text.components(separatedBy: "```")
        for index in stride(from: 1, to: pieces.count, by: 2) {
            let subjects = pieces[index - 1].components(separatedBy: "`")
            guard subjects.count >= 3, let end = pieces[index].firstIndex(of: "\n") else { continue }
            let subject = subjects[subjects.count - 2]
            let block = String(pieces[index][pieces[index].index(after: end)...])
            if subject.hasPrefix("nodepass convert") {
                shown.append(Shown(command: subject, output: block))
            } else {
                files[subjects[subjects.count - 2]] = block
            }
        }
        return (files, shown)
    }

    @Test("every command of docs/migrating.md prints what the page shows")
    func documented() async throws {
        let (files, shown) = try Self.page()
        #expect(files.count == 4 && shown.count == 7)
        let directory = try TemporaryDirectory()
        for (name, text) in files { try directory.write(text, to: name) }
        for item in shown {
            // The page's names are those of a directory that the command was run in.
            let script =
                "cd '\(directory.path)' && exec '\(RunningProcess.binary)' \(item.command.dropFirst("nodepass ".count))"
            let finished = try await RunningProcess.run(["-c", script], executable: "/bin/sh")
            #expect(finished.code == 0)
            #expect(finished.output == item.output, "\(item.command)")
        }
    }

    // MARK: frp

    @Test("a pair of frp's files becomes two manifests that carry users, over TCP and UDP")
    func frpPair() async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(3)
        let directory = try TemporaryDirectory()
        try directory.write(
            """
            serverAddr = "127.0.0.1"
            serverPort = \(ports[0] - 1)
            transport.poolCount = 2
            [[proxies]]
            name = "Web_1"
            type = "tcp"
            localPort = \(target.port)
            remotePort = \(ports[1])
            """,
            to: "frpc.toml"
        )
        try directory.write("bindAddr = \"127.0.0.1\"\nbindPort = \(ports[0] - 1)\n", to: "frps.toml")
        let files = [directory.file("frpc.toml"), directory.file("frps.toml")]
        let key = ["NODEPASS_KEY": "a-key-that-is-long-enough-for-a-test"]
        var daemons: [Daemon] = []
        for end in ["server", "client"] {
            let finished = try await RunningProcess.run(["convert", "frp", "--end", end] + files)
            #expect(finished.code == 0 && finished.errors == "", "\(finished.errors)")
            daemons.append(try await Daemon.start(manifest: finished.output, environment: key))
        }
        for daemon in daemons { try await daemon.tunnel("web-1") { $0.phase == "ready" } }
        let user = try await TestClient.connect(port: ports[1])
        try await user.send("hello")
        #expect(try await user.receiveText(5) == "hello")
        try await user.close()
        for daemon in daemons.reversed() { try await daemon.stop() }
    }

    @Test("frp: what is taken over, and what is left with its line")
    func frp() throws {
        let frpc = """
            serverAddr = "{{ .Envs.SERVER }}"
            user = "me"
            start = ["a"]
            log = {to = "console", level = "debug"}
            [transport]
            protocol = "quic"
            proxyURL = "http://proxy.example.com:3128"
            tls.trustedCaFile = "/etc/ca.pem"
            [[proxies]]
            name = "a"
            type = "tcp"
            localIP = "10.0.0.1"
            localPort = 80
            remotePort = 6000
            transport.proxyProtocolVersion = "v2"
            healthCheck.type = "tcp"
            [[proxies]]
            name = "b"
            type = "udp"
            localPort = 53
            remotePort = 6001
            [[proxies]]
            name = "c"
            type = "https"
            localPort = 443
            [[proxies]]
            name = "d"
            type = "tcp"
            localPort = 1
            [[visitors]]
            name = "v"
            type = "stcp"
            """
        let frps = """
            bindPort = 9000
            allowPorts = [{start = 2000, end = 3000}]
            [transport.tls]
            certFile = "/etc/cert.pem"
            keyFile = "/etc/key.pem"
            """
        let files = [("frpc.toml", frpc), ("frps.toml", frps)]
        let client = try FRPConversion.convert(files, for: .client, firstPort: nil)
        #expect(client.tunnels.map(\.name) == ["me-a", "me-b"])
        let spec = try #require(client.tunnels.first?.content.spec)
        #expect(client.tunnels.first?.references["tunnel"] == "${env:SERVER}:9001")
        #expect(spec.targets.map(\.description) == ["10.0.0.1:80"])
        #expect(spec.tls == .verified && spec.proxyProtocol == .v2 && spec.protocols == [.tcp])
        #expect(spec.via?.description.contains("proxy.example.com:3128") == true)
        #expect(client.tunnels.map(\.content.running) == [true, false])
        #expect(client.tunnels.first?.notes.contains { $0.contains("SSL_CERT_FILE=/etc/ca.pem") } == true)

        let server = try FRPConversion.convert(files, for: .server, firstPort: 100)
        let other = try #require(server.tunnels.last?.content.spec)
        #expect(other.tunnel.description == ":101" && other.targets.map(\.description) == [":6001"])
        #expect(other.transport == .quic && other.tls == .files(certificate: "/etc/cert.pem", key: "/etc/key.pem"))
        #expect(other.mode == .one && other.protocols == [.udp])
        #expect(
            client.left.map { "\($0.source) \($0.setting)" } == [
                "frps.toml:2 allowPorts", "frpc.toml:30 a visitor", "frpc.toml:4 log.to = console",
                "frpc.toml:4 log.level = debug", "frpc.toml:16 healthCheck.type = tcp",
                "frpc.toml:22 proxy 'c' of type https", "frpc.toml:26 proxy 'd' without remotePort",
            ]
        )
    }

    // MARK: The others

    @Test("rathole: both ends come to the same ports, whatever the order of their services")
    func rathole() throws {
        let client = try RatholeConversion.convert(
            (
                "client.toml",
                """
                [client]
                remote_addr = "example.com:2333"
                [client.transport]
                type = "noise"
                [client.services.b]
                local_addr = "127.0.0.1:2"
                token = "x"
                [client.services.a]
                type = "udp"
                local_addr = "127.0.0.1:1"
                retry_interval = 3
                """
            ),
            firstPort: nil
        )
        let server = try RatholeConversion.convert(
            (
                "server.toml",
                """
                [server]
                bind_addr = "0.0.0.0:2333"
                [server.transport]
                type = "noise"
                [server.services]
                a = {type = "udp", bind_addr = "0.0.0.0:11"}
                b = {bind_addr = "0.0.0.0:12", token = "x"}
                """
            ),
            firstPort: nil
        )
        #expect(client.tunnels.map(\.name) == ["a", "b"] && server.tunnels.map(\.name) == ["a", "b"])
        for (one, other) in zip(client.tunnels, server.tunnels) {
            #expect(one.content.spec.tunnel.port == other.content.spec.tunnel.port)
            #expect(one.content.spec.handshake == .sealed && other.content.spec.tls == .selfSigned)
            #expect(one.content.spec.protocols == other.content.spec.protocols)
            #expect(one.references == other.references)
        }
        #expect(client.tunnels.last?.references["key"] == "${env:NODEPASS_KEY_B}")
        #expect(client.left.map(\.setting) == ["services.a.retry_interval = 3"])
    }

    @Test("HAProxy: TCP frontends become tunnels; everything else is named with its line")
    func haproxy() throws {
        let conversion = try HAProxyConversion.convert(
            (
                "haproxy.cfg",
                """
                global
                    maxconn 1000
                defaults
                    mode tcp
                    timeout client 30s
                    maxconn 50
                listen redis
                    bind *:6379,127.0.0.1:6380
                    balance roundrobin
                    server r 10.0.0.3:6379 send-proxy-v2
                    server s [2001:db8::1]:6379 check
                frontend secure
                    bind :443 ssl crt /etc/cert.pem
                    default_backend pool
                frontend web
                    mode http
                    bind :80
                backend pool
                    server a 10.0.0.1:80
                backend unused
                    server a 10.0.0.1:80
                """
            )
        )
        #expect(conversion.tunnels.map(\.name) == ["redis", "redis-2"])
        #expect(conversion.tunnels.map(\.content.spec.tunnel.description) == [":6379", "127.0.0.1:6380"])
        let spec = try #require(conversion.tunnels.first?.content.spec)
        #expect(spec.targets.map(\.description) == ["10.0.0.3:6379", "[2001:db8::1]:6379"])
        #expect(spec.connections == 50 && spec.readTimeout == .seconds(30) && spec.proxyProtocol == .v2)
        #expect(
            conversion.left.map(\.source) == [
                "haproxy.cfg:2", "haproxy.cfg:11", "haproxy.cfg:13", "haproxy.cfg:15", "haproxy.cfg:20",
            ]
        )
    }

    @Test("ssh: -L and -R become both ends' tunnels, other options are named")
    func ssh() throws {
        let command =
            "ssh -fNT -o ServerAliveInterval=5 -L[::1]:8080:db:5432 -R '*:9000:localhost:3000' -D 1080 root@bastion"
        let client = try CommandLineConversion.ssh(command, for: .client, firstPort: 10101)
        #expect(client.tunnels.map(\.name) == ["port-8080", "port-9000"])
        #expect(client.tunnels.map(\.content.spec.tunnel.description) == ["bastion:10101", "bastion:10102"])
        #expect(client.tunnels.map(\.content.spec.targets.first?.description) == ["[::1]:8080", "localhost:3000"])
        #expect(client.left.map(\.setting) == ["-o ServerAliveInterval=5", "-D 1080"])
        let server = try CommandLineConversion.ssh(command, for: .server, firstPort: 10101)
        #expect(server.tunnels.map(\.content.spec.mode) == [.two, .one])
        #expect(server.tunnels.map(\.content.spec.targets.first?.description) == ["db:5432", ":9000"])
    }

    @Test("socat: its listener's options are taken over")
    func socat() throws {
        let command =
            "/usr/bin/socat -T1.5 UDP4-LISTEN:53,fork,bind=127.0.0.1,max-children=9,range=10.0.0.0/8,su=nobody UDP:[::1]:5353"
        let conversion = try CommandLineConversion.socat(command)
        let spec = try #require(conversion.tunnels.first?.content.spec)
        #expect(spec.tunnel.description == "127.0.0.1:53" && spec.targets.map(\.description) == ["[::1]:5353"])
        #expect(spec.protocols == [.udp] && spec.connections == 9 && spec.readTimeout == .milliseconds(1500))
        #expect(spec.access.allow.map(\.description) == ["10.0.0.0/8"])
        #expect(conversion.left.map(\.setting) == ["su=nobody"])
    }

    @Test("NodePass: a unit of its installer, with its variables; the key is in no output")
    func nodepass() async throws {
        let directory = try TemporaryDirectory()
        try directory.write(
            """
            [Service]
            Environment=NP_TCP_DATA_BUF_SIZE=32768
            ExecStart=/usr/local/bin/nodepass server://s3cret@0.0.0.0:10101/127.0.0.1:80?mode=1&tls=1
            """,
            to: "nodepass.service"
        )
        let unit = directory.file("nodepass.service")
        let finished = try await RunningProcess.run(["convert", "nodepass", unit])
        #expect(finished.code == 0 && finished.output.contains("  server-10101:\n"))
        #expect(
            finished.output.contains("key: \"${env:NODEPASS_KEY}\"") && finished.output.contains("tls: self-signed")
        )
        #expect(finished.errors.contains("\(unit):2: NP_TCP_DATA_BUF_SIZE=32768"))
        #expect(!(finished.output + finished.errors).contains("s3cret"))
    }

    @Test("iptables: DNAT and REDIRECT become tunnels; other rules are counted or named")
    func iptables() throws {
        let conversion = try IptablesConversion.convert(
            (
                "rules",
                """
                # Generated
                *filter
                :INPUT ACCEPT [0:0]
                -A INPUT -i lo -j ACCEPT
                -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
                COMMIT
                *nat
                [12:720] -A PREROUTING -s 10.0.0.0/8 -d 192.0.2.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.5:8080
                -A PREROUTING -p udp -m udp --dport 5000:5002 -m comment --comment "a b" -j DNAT --to-destination 10.0.0.6
                -A OUTPUT -p tcp -m tcp --dport 81 -j REDIRECT --to-ports 3128
                -A PREROUTING -p tcp -m multiport --dports 1,2 -j DNAT --to-destination 10.0.0.7
                -A PREROUTING ! -i docker0 -p tcp -m tcp --dport 82 -j DNAT --to-destination 172.17.0.2:80
                COMMIT
                """
            )
        )
        #expect(
            conversion.tunnels.map(\.name) == ["port-80", "port-5000", "port-5001", "port-5002", "port-81", "port-82"]
        )
        let spec = try #require(conversion.tunnels.first?.content.spec)
        #expect(spec.tunnel.description == "192.0.2.1:80" && spec.targets.map(\.description) == ["10.0.0.5:8080"])
        #expect(spec.access.allow.map(\.description) == ["10.0.0.0/8"])
        #expect(conversion.tunnels[4].content.spec.targets.map(\.description) == ["127.0.0.1:3128"])
        #expect(conversion.left.map(\.source) == ["rules:11", "rules:12", "rules:4"])
        #expect(conversion.left[1].instead == "the tunnel does without: ! -i docker0")
    }

    // MARK: Bad input

    @Test(
        "a broken file is an error with its line, and nothing is printed",
        arguments: [
            ("frp", "a = \n", ":1:5: a value is expected"),
            ("frp", "serverAddr = \"x\n", ":1:16: text in quotes ends in its line"),
            ("frp", "serverAddr = \"{{ .Range }}\"\n", ":1:15: frp's templates"),
            (
                "frp", "[[proxies]]\nname = \"a\"\nlocalPort = 99999\nremotePort = 1\n",
                ":3:13: localPort is 99999, not a port"
            ),
            ("frp", "serverAddr = 1\nserverAddr = 2\n", ":2:1: 'serverAddr' is given twice"),
            ("frp", "bindPort = 7000\n", "give the frpc.toml"),
            ("frp", "proxies = 3\n", ":1:11: proxies is a single value, not a list"),
            ("frp", "a = \(String(repeating: "[", count: 100))\n", ":1:37: more than 32 levels"),
            ("frp", "\u{0}", ":1:1: a key is expected"),
            ("rathole", "[client]\n", ":1:2: client.remote_addr is missing"),
            ("rathole", "[other]\n", "neither [server] nor [client]"),
            ("haproxy", "bind :80\n", ":1:1: 'bind' is in no section"),
            ("haproxy", "listen a\n mode tcp\n bind :99999\n server s 1.2.3.4:1\n", ":3:1: '99999' is not a port"),
            ("haproxy", "frontend a\n mode tcp\n default_backend b\n", ":3:1: there is no backend 'b'"),
            ("iptables", "hello\n", ":1:1: 'hello' is nothing that iptables-save writes"),
            ("iptables", "*nat\n-A P -p tcp --dport x -j DNAT --to-destination 1.2.3.4\n", ":2:1: 'x' is no port"),
            ("nodepass", "nothing here\n", "there is no server://, client:// or master:// URL"),
            ("nodepass", "client://s3cret@:1/x\n", ":1: client://••••••@:1/x: "),
        ]
    )
    func broken(_ kind: String, _ text: String, _ problem: String) async throws {
        let directory = try TemporaryDirectory()
        try directory.write(text, to: "input")
        let finished = try await RunningProcess.run(["convert", kind, directory.file("input")])
        #expect(finished.code == 1 && finished.output == "")
        #expect(finished.errors.contains(problem), "\(finished.errors)")
        #expect(!finished.errors.contains("s3cret"))
    }

    @Test("a file that is too large, or no text, is refused", arguments: [5_000_000, 3])
    func huge(_ count: Int) async throws {
        let directory = try TemporaryDirectory()
        try Data(repeating: 0xff, count: count).write(to: URL(fileURLWithPath: directory.file("input")))
        let finished = try await RunningProcess.run(["convert", "frp", directory.file("input")])
        #expect(finished.code == 1 && finished.output == "")
        #expect(
            finished.errors.contains(count > 3 ? "larger than \(ConvertCommand.limitBytes) bytes" : "not UTF-8 text")
        )
    }

    @Test("a file of nothing but unknown settings is read in the time of its length, and each of them is named")
    func manySettings() throws {
        let count = 20_000
        let text = (0..<count).map { "k\($0) = 1\n" }.joined()
        let client = "serverAddr = \"x\"\n" + text
        let conversion = try FRPConversion.convert([("frpc.toml", client)], for: .client, firstPort: nil)
        #expect(conversion.left.count == count && conversion.tunnels.isEmpty)
    }

    // MARK: TOML

    @Test(
        "TOML's forms of values and keys",
        arguments: [
            ("a = 'x\\y'", "{\"a\":\"x\\\\y\"}"),
            ("a = \"\\u00e9\\t\\\"\"", "{\"a\":\"é\\t\\\"\"}"),
            ("a = \"\"\"\nx\\\n   y\"\"\"", "{\"a\":\"xy\"}"),
            ("a = '''\n'x' '''", "{\"a\":\"'x' \"}"),
            ("a.b.\"c d\" = 1_000", "{\"a\":{\"b\":{\"c d\":\"1000\"}}}"),
            ("a = [1, [true, false], # c\n\"x\",]", "{\"a\":[\"1\",[\"true\",\"false\"],\"x\"]}"),
            ("a = {b = 1, c.d = 2}", "{\"a\":{\"b\":\"1\",\"c\":{\"d\":\"2\"}}}"),
            (
                "[a]\nb = 1979-05-27T07:32:00Z\r\n[[c]]\nx = 0xff\n[[c]]\n[c.d]\ne = 2",
                "{\"a\":{\"b\":\"1979-05-27T07:32:00Z\"},\"c\":[{\"x\":\"0xff\"},{\"d\":{\"e\":\"2\"}}]}"
            ),
        ]
    )
    func toml(_ text: String, _ json: String) throws {
        #expect(Self.shape(try TOMLReader.read(text, file: "x")).compactText == json)
    }

    private static func shape(_ node: DocumentNode) -> JSONValue {
        switch node.content {
        case .scalar(let scalar): .string(scalar.text)
        case .sequence(let items): .array(items.map(shape))
        case .mapping(let entries): .object(entries.map { JSONValue.Member($0.key, shape($0.value)) })
        }
    }
}
