import Config
import Foundation
import NIOCore
import TestSupport
import Testing

@testable import nodepass

@Suite("Under a service manager", .timeLimit(.minutes(1)))
struct ServiceManagerTests {
    @Test("a daemon whose manager has a watchdog says again and again that it is alive")
    func watchdog() async throws {
        let directory = try TemporaryDirectory()
        try directory.write("version: 1\ntunnels: {}\n", to: "tunnels.yaml")
        let notifications = try NotifySocket.bind(directory.file("notify.sock"))
        let process = try RunningProcess(
            ["run", "-f", directory.file("tunnels.yaml"), "--listen", "127.0.0.1:0"]
                + ["--state-dir", directory.file("state")],
            environment: ["NOTIFY_SOCKET": directory.file("notify.sock"), "WATCHDOG_USEC": "100000"]
        )
        try await notifications.waitForReady(or: process, then: ["WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"])
        process.signal(SIGTERM)
        #expect(try await process.exitCode() == 0)
    }

    @Test(
        "the watchdog of another process, or none, is not answered",
        arguments: [
            ([:], nil), (["WATCHDOG_USEC": "60000000"], .seconds(30)), (["WATCHDOG_USEC": "0"], nil),
            (["WATCHDOG_USEC": "x"], nil), (["WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "7"], .seconds(1)),
            (["WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "8"], nil),
        ] as [([String: String], Duration?)]
    )
    func interval(_ environment: [String: String], _ interval: Duration?) {
        let notifier = SystemdNotifier(environment: environment.merging(["NOTIFY_SOCKET": "@x"]) { $1 }, process: 7)
        #expect(notifier.watchdogInterval == interval)
        #expect(SystemdNotifier(environment: environment, process: 7).watchdogInterval == nil)
    }

    // MARK: Sockets

    /// Opens what its first argument lists, `tcp:PORT` or `udp:PORT`, as descriptors from 3 on, and becomes the rest.
    private static let socketUnit = """
        import fcntl, os, socket, sys
        kinds = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
        opened = []
        for kind, port in (item.split(":") for item in sys.argv[1].split(",")):
            one = socket.socket(socket.AF_INET, kinds[kind])
            one.bind(("127.0.0.1", int(port)))
            if kind == "tcp": one.listen()
            opened.append(fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 100))
        for place, descriptor in enumerate(opened): os.dup2(descriptor, 3 + place)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(opened)), LISTEN_FDNAMES="api:other")
        os.execv(sys.argv[2], sys.argv[2:])
        """

    private static func start(
        _ sockets: String,
        listen: String,
        in directory: TemporaryDirectory,
        _ more: [String] = []
    ) throws -> RunningProcess {
        try directory.write("version: 1\ntunnels: {}\n", to: "tunnels.yaml")
        return try RunningProcess(
            ["-c", socketUnit, sockets, RunningProcess.binary, "run", "-f", directory.file("tunnels.yaml")]
                + ["--listen", listen, "--state-dir", directory.file("state")] + more,
            environment: ["NOTIFY_SOCKET": directory.file("notify.sock")],
            executable: "/usr/bin/python3"
        )
    }

    @Test("the API is served on the socket that the service manager has opened")
    func inheritedSocket() async throws {
        let directory = try TemporaryDirectory()
        let port = try FreePorts.one()
        let notifications = try NotifySocket.bind(directory.file("notify.sock"))
        let process = try Self.start("tcp:\(port)", listen: "127.0.0.1:\(port)", in: directory)
        try await notifications.waitForReady(or: process)
        for path in ["/healthz", "/api/v1/instances"] {
            let user = try await TestClient.connect(port: port)
            try await user.send("GET \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let answer = String(buffer: try await user.receiveAll())
            #expect(answer.hasPrefix(path == "/healthz" ? "HTTP/1.1 200 OK" : "HTTP/1.1 401 Unauthorized"), "\(answer)")
            #expect(answer.lowercased().contains(/date: [a-z]{3}, [0-9]{2} [a-z]{3} 20/))
        }
        process.signal(SIGTERM)
        #expect(try await process.exitCode() == 0)
    }

    @Test("the socket that the service manager has opened takes TLS, too")
    func inheritedSocketWithTLS() async throws {
        let directory = try TemporaryDirectory()
        let port = try FreePorts.one()
        let notifications = try NotifySocket.bind(directory.file("notify.sock"))
        let tls = ["--tls", "self-signed"]
        let process = try Self.start("tcp:\(port)", listen: "127.0.0.1:\(port)", in: directory, tls)
        try await notifications.waitForReady(or: process)
        let address = "https://127.0.0.1:\(port)/healthz"
        let answer = try await RunningProcess.run(["-sk", address], executable: "/usr/bin/curl")
        #expect(answer.output == "ok\n")
        process.signal(SIGTERM)
        #expect(try await process.exitCode() == 0)
    }

    @Test(
        "a socket that does not fit, or one too many, is an error that says what to write",
        arguments: [
            ("tcp:0", "write the same in ListenStream= and --listen"), ("udp:0", "not a listening TCP socket"),
            ("tcp:0,tcp:0", "has 2 sockets for the daemon (api, other), and the API takes one"),
        ]
    )
    func wrongSockets(_ sockets: String, _ problem: String) async throws {
        let directory = try TemporaryDirectory()
        let process = try Self.start(sockets, listen: "127.0.0.1:9", in: directory)
        #expect(try await process.exitCode() == 1)
        #expect(try process.errors.contains(problem))
    }

    @Test("sockets for another process are not taken, and their number has to be one")
    func descriptors() throws {
        let address = Endpoint(host: "127.0.0.1", port: 9090)
        let others = ["LISTEN_FDS": "1", "LISTEN_PID": "8"]
        #expect(try ListenDescriptors(environment: others, process: 7).api(at: address) == nil)
        #expect(try ListenDescriptors(environment: ["LISTEN_FDS": "1"], process: 7).api(at: address) == nil)
        for count in ["x", "-1", "99999999999999999999"] {
            #expect(throws: CommandFailure.self) {
                try ListenDescriptors(environment: ["LISTEN_FDS": count, "LISTEN_PID": "7"], process: 7)
            }
        }
    }
}
