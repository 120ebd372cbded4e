/// The example that ends the help of a command; a test runs each of them.
enum HelpExample {
    static let byCommand: [String: String] = [
        "": "nodepass get",
        "run": "nodepass run -f tunnels.yaml",
        "validate": "nodepass validate tunnels.yaml --format github",
        "plan": "nodepass plan -f tunnels.yaml",
        "apply": "nodepass apply --timeout 1m",
        "get": "nodepass get -l team=edge --sort rate",
        "status": "nodepass status",
        "describe": "nodepass describe web",
        "connections": "nodepass connections web",
        "start": "nodepass start web",
        "stop": "nodepass stop web --for 30m",
        "restart": "nodepass restart web",
        "reset": "nodepass reset web",
        "create": "nodepass create 'client://127.0.0.1:0/127.0.0.1:9?mode=1' --alias spare",
        "delete": "nodepass delete spare",
        "release": "nodepass release --all",
        "forget-peer": "nodepass forget-peer web",
        "export": "nodepass export",
        "ping": "nodepass ping localhost:PORT",
        "logs": "nodepass logs web --since 8h",
        "watch": "nodepass watch --why --tail 20",
        "events": "nodepass events web --since 8h --utc",
        "top": "nodepass top --interval 1s",
        "key": "nodepass key show",
        "key show": "nodepass key show",
        "key rotate": "nodepass key rotate",
        "key create": "nodepass key create --role read --label grafana",
        "key list": "nodepass key list",
        "key revoke": "nodepass key revoke grafana",
        "key generate": "nodepass key generate",
        "import": "nodepass import nodepass.gob --dry-run",
        "convert": "nodepass convert frp frpc.toml",
        "convert frp": "nodepass convert frp --end server frpc.toml frps.toml",
        "convert rathole": "nodepass convert rathole server.toml",
        "convert haproxy": "nodepass convert haproxy haproxy.cfg",
        "convert ssh": "nodepass convert ssh 'ssh -L 8080:localhost:80 root@example.com'",
        "convert socat": "nodepass convert socat 'socat TCP-LISTEN:8080,fork TCP:10.0.0.5:80'",
        "convert nodepass": "nodepass convert nodepass 'client://127.0.0.1:8080/10.0.0.5:80?mode=1'",
        "convert iptables": "nodepass convert iptables rules.txt",
        "schema": "nodepass schema",
        "explain": "nodepass explain limits.rate",
        "fmt": "nodepass fmt tunnels.yaml",
        "init": "nodepass init other.yaml",
        "completion": "nodepass completion bash",
        "man": "nodepass man",
    ]

    /// What ends the text that these arguments ask for; empty where they do not ask for help.
    static func ending(for arguments: [String]) -> String {
        let asks = arguments.contains { ["-h", "--help", "help"].contains($0) }
        let words = arguments.prefix { !$0.hasPrefix("-") }.filter { $0 != "help" }
        guard asks, let example = byCommand[words.joined(separator: " ")] else { return "" }
        return "\n\nEXAMPLE:\n  \(example)"
    }
}
