import Foundation

/// A process that serves many tunnels, started from a file that may change while it runs.
struct ManyTunnelsProcess {
    private static let readinessSeconds = 60.0

    private let subject: Subject
    private let directory: TemporaryDirectory
    private(set) var tunnels: ManyTunnels
    let child: ChildProcess
    let api: Address
    private let state: String
    private let start = Seconds.now

    /// `state` names the folder for what it remembers from run to run, which only nodepass does.
    ///
    /// haproxy reloads only with a master process, which it does without otherwise.
    init(
        _ subject: Subject,
        _ tunnels: ManyTunnels,
        state: String = UUID().uuidString,
        reloads: Bool = false,
        in directory: TemporaryDirectory
    ) throws {
        self.subject = subject
        self.tunnels = tunnels
        self.directory = directory
        self.state = directory.path + "/" + state.prefix(8)
        api = Address(port: try Ports.free())
        let file = try Self.write(tunnels, for: subject, in: directory)
        switch subject {
        case .haproxy(let path):
            child = try ChildProcess(path, [reloads ? "-W" : "-db", "-f", file], in: directory)
        case .nodepass(let path), .reference(let path):
            let place = ["--state-dir", self.state, "--listen", "127.0.0.1:\(api.port)", "--log", "none"]
            child = try ChildProcess(path, ["run", "-f", file] + place, in: directory)
        case .nginx, .direct:
            throw BenchmarkFailure("nothing to start")
        }
    }

    /// Whether a subject takes a file of many tunnels.
    static func canServe(_ subject: Subject) -> Bool {
        switch subject {
        case .nodepass, .haproxy: true
        case .reference, .nginx, .direct: false
        }
    }

    /// How long the subject's own check of the file takes.
    static func secondsToCheck(
        _ subject: Subject,
        _ tunnels: ManyTunnels,
        in directory: TemporaryDirectory
    ) throws -> Double {
        let file = try write(tunnels, for: subject, in: directory)
        let start = Seconds.now
        let check =
            switch subject {
            case .haproxy(let path): try ChildProcess(path, ["-c", "-f", file], in: directory)
            case .nodepass(let path), .reference(let path): try ChildProcess(path, ["validate", file], in: directory)
            case .nginx, .direct: throw BenchmarkFailure("nothing to check")
            }
        guard check.succeeds() else { throw BenchmarkFailure("the check fails: \(check.lastLine ?? "")") }
        return Seconds.now - start
    }

    /// Waits until it says that it is ready, and answers how long that took from its start; every tunnel has to listen then.
    func awaitReady() throws -> Double {
        let deadline = start + Self.readinessSeconds
        while !isReady {
            guard child.isRunning else { throw BenchmarkFailure("it ended: \(child.lastLine ?? "")") }
            guard Seconds.now < deadline else {
                throw BenchmarkFailure("only \(tunnels.openCount) of \(tunnels.count) tunnels listen")
            }
            Seconds.sleep(0.01)
        }
        let seconds = Seconds.now - start
        let open = tunnels.openCount
        let datagrams = subject.carriesDatagrams ? tunnels.openDatagramCount : tunnels.count
        guard open == tunnels.count, datagrams == tunnels.count else {
            throw BenchmarkFailure("ready with \(open) TCP and \(datagrams) UDP listeners of \(tunnels.count)")
        }
        return seconds
    }

    /// Moves one tunnel to another port in the file, and answers how long it takes from there until that port accepts.
    mutating func secondsToMoveOne() throws -> Double {
        let address = tunnels.moveOne()
        _ = try Self.write(tunnels, for: subject, in: directory)
        let start = Seconds.now
        if case .haproxy = subject { kill(child.pid, SIGUSR2) }
        while !Self.accepts(address) {
            guard Seconds.now < start + Self.readinessSeconds else {
                throw BenchmarkFailure("the tunnel that was moved does not listen")
            }
            Seconds.sleep(0.001)
        }
        return Seconds.now - start
    }

    /// What `GET /reconcile` says, for which nodepass gives its key.
    func reconcileStatus(_ program: String) throws -> [String: Any] {
        let question = HTTPQuestion(address: api, path: "/api/v1/reconcile", key: try key(program))
        guard let answer = question.answer(), answer.status == 200,
            let status = try JSONSerialization.jsonObject(with: answer.body) as? [String: Any]
        else { throw BenchmarkFailure("it does not say how reconciling goes") }
        return status
    }

    /// The key of its API, which nodepass shows to anyone who may read its state.
    func key(_ program: String) throws -> String {
        let show = try ChildProcess(program, ["key", "show", "--state-dir", state], in: directory)
        guard show.succeeds(), let key = show.lastLine else { throw BenchmarkFailure("it does not show its key") }
        return key
    }

    private var isReady: Bool {
        if case .haproxy = subject { return Self.accepts(tunnels.last) }
        return HTTPQuestion(address: api, path: "/readyz").answer()?.status == 200
    }

    private static func accepts(_ address: Address) -> Bool {
        guard let connection = try? Socket.connection(to: address) else { return false }
        connection.close()
        return true
    }

    private static func write(
        _ tunnels: ManyTunnels,
        for subject: Subject,
        in directory: TemporaryDirectory
    ) throws -> String {
        if case .haproxy = subject { return try directory.write(tunnels.haproxyConfiguration, to: "many.cfg") }
        return try directory.write(tunnels.manifest, to: "many.yaml")
    }
}
