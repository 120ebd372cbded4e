import Config
import Reconciler

/// What the daemon says of itself, of logs and of what went wrong.
extension Schema {
    static var daemon: [JSONValue.Member] {
        [
            .init("Info", info),
            .init("Ping", ping),
            .init("Log", log),
            .init("LogLine", logLine),
            .init("Error", error),
            .init("Diagnostic", diagnostic),
        ]
    }

    private static var info: JSONValue {
        record(
            "The daemon and its machine",
            [
                "alias": text("The daemon's name in dashboards"), "arch": text("Processor", example: "amd64"),
                "cpu": ["description": "Percent busy", "type": "integer", "minimum": -1, "maximum": 100],
                "crt": text("Certificate that tunnels inherit"),
                "diskr": count("Bytes read"), "diskw": count("Bytes written"), "key": text("Key of that certificate"),
                "log": text("Log level"), "mem_total": count("Bytes"), "mem_used": count("Bytes"),
                "mid": text("The daemon's id", pattern: "^[0-9a-f]{16}$"), "name": text("Host it listens on"),
                "netrx": count("Bytes received"), "nettx": count("Bytes sent"), "os": text("Operating system"),
                "swap_total": count("Bytes"), "swap_used": count("Bytes"), "sysup": count("Seconds the machine is up"),
                "tls": words(["0", "1", "2"], "TLS of the API: off, self-signed, or files"),
                "uptime": count("Seconds the daemon is up"),
                "ver": text("NodePass's version whose API this is", example: "1.14.0"),
                "noc": count("Processor cores"), "impl": text("This program"), "build": text("Its version"),
                "fd_limit": count("File descriptors that the process may open"),
                "fd_tunnels": count("How many of them tunnels may hold; the rest is for the API, the store and files"),
                "fd_users": count("How many of those users may fill, with their targets and links"),
                "fd_taken": count("Descriptors that tunnels hold"),
                "refused": count("Users refused for want of a descriptor since the daemon started"),
            ]
        )
    }

    private static var ping: JSONValue {
        record(
            "What became of a connect",
            [
                "target": text("What was asked for"), "connected": boolean("Whether it was reached"),
                "latency": count("Milliseconds"), "error": nullable(text("Why it was not")),
            ]
        )
    }

    private static var log: JSONValue {
        record("A tunnel's newest log lines", ["id": id, "lines": list("LogLine", "Newest last")])
    }

    private static var logLine: JSONValue {
        record(
            "One line of a tunnel's log",
            [
                "time": time("When"), "level": words(LogLevel.allCases.map(\.rawValue), "How much it matters"),
                "message": text("Without colours"),
            ]
        )
    }

    private static var error: JSONValue {
        record(
            "A refusal",
            [
                "error": text("What is wrong; NodePass's text where it has one"), "message": text("The same"),
                "code": text("Stable, for programs", pattern: "^[a-zA-Z-]+$", example: "not-found"),
            ],
            optional: [
                "source": text("The line that owns a declared tunnel", pattern: ":[0-9]+$"),
                "details": list("Diagnostic", "What exactly is wrong with a URL, a spec or a manifest"),
            ]
        )
    }

    private static var diagnostic: JSONValue {
        record(
            "One thing that the reader of a manifest, spec or URL has to say",
            [
                "severity": words(["error", "warning"], "Whether it stands in the way"),
                "location": nullable(text("File, line and column", example: "tunnels.yaml:3:4")),
                "path": text("The key's path; empty for the whole", example: "tunnels.web.pool.min"),
                "message": text("What is wrong and what to try"),
                "code": text("Stable, for programs", pattern: "^[a-z-]+$", example: "unknown-key"),
            ]
        )
    }
}
