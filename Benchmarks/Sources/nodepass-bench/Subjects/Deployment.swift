/// A subject that runs: where users connect to, and the processes whose cost counts.
struct Deployment {
    /// A reference with TLS may take 15 s until its client accepts users.
    private static let readinessSeconds = 30.0
    private static let poolMaximum = 1024

    let subject: Subject
    let layout: Layout
    let address: Address
    private(set) var processes: [ChildProcess] = []

    /// Starts `subject` in front of `target`, and returns when bytes go through and come back.
    ///
    /// `pool` is how many idle links a two-ended tunnel keeps; nil is what it does by itself.
    init(
        _ subject: Subject,
        _ layout: Layout,
        target: UInt16,
        pool: Int? = nil,
        in directory: TemporaryDirectory
    ) throws {
        self.subject = subject
        self.layout = layout
        if case .direct = subject {
            address = Address(port: target)
            return
        }
        let user = try Ports.free()
        address = Address(port: user)
        do {
            try start(user: user, target: target, pool: pool, in: directory)
            try awaitEcho()
        } catch {
            stop()
            throw error
        }
    }

    var cpuSeconds: Double { processes.reduce(0) { $0 + $1.process.cpuSeconds } }
    var residentBytes: Int { processes.reduce(0) { $0 + $1.process.residentBytes } }

    /// Open sockets of the end that dials the links.
    var clientSockets: Int { processes.last?.process.socketCount ?? 0 }

    func stop() {
        processes.forEach { $0.end() }
    }

    private mutating func start(user: UInt16, target: UInt16, pool: Int?, in directory: TemporaryDirectory) throws {
        if case .haproxy(let path) = subject {
            let file = try directory.write(HAProxyConfiguration.text(user: user, target: target), to: "haproxy.cfg")
            processes.append(try ChildProcess(path, ["-db", "-f", file], in: directory))
            return
        }
        guard let program = subject.urlProgram else { return }
        for url in try urls(user: user, target: target, pool: pool) {
            let environment = ["NP_REPORT_INTERVAL": "1s"]
            processes.append(try ChildProcess(program, [url], environment: environment, in: directory))
        }
    }

    private func urls(user: UInt16, target: UInt16, pool: Int?) throws -> [String] {
        let target = "127.0.0.1:\(target)"
        guard layout != .single else { return ["client://127.0.0.1:\(user)/\(target)?mode=1&log=none"] }
        let tunnel = "k@127.0.0.1:\(try Ports.free())"
        let maximum = pool == nil ? "" : "&max=\(Self.poolMaximum)"
        let minimum = pool.map { "&min=\($0)" } ?? ""
        let links = "tls=\(layout.hasTLS ? 1 : 0)&type=\(layout.linkType)"
        return [
            "server://\(tunnel)/127.0.0.1:\(user)?mode=1&\(links)&log=none\(maximum)",
            "client://\(tunnel)/\(target)?mode=2&log=none\(minimum)",
        ]
    }

    private func awaitEcho() throws {
        let deadline = Seconds.now + Self.readinessSeconds
        while Seconds.now < deadline {
            for process in processes where !process.isRunning {
                throw BenchmarkFailure("it ended at once" + (process.lastLine.map { ": \($0)" } ?? ""))
            }
            if echoes() { return }
            Seconds.sleep(0.1)
        }
        throw BenchmarkFailure("no byte came back within \(Int(Self.readinessSeconds)) s")
    }

    private func echoes() -> Bool {
        guard let connection = try? Socket.connection(to: address, timeout: 1) else { return false }
        defer { connection.close() }
        var byte = TCPTarget.echo
        return withUnsafeMutableBytes(of: &byte) {
            connection.send(UnsafeRawBufferPointer($0)) && connection.receive(exactly: $0)
        }
    }
}
