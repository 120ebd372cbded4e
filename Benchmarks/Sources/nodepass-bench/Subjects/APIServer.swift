import Foundation

/// A subject that answers questions about tunnels: because it has them, or because it has the answers as files.
struct APIServer {
    static let listPath = "/api/v1/instances"
    private static let readinessSeconds = 60.0

    let subject: Subject
    private(set) var key = ""
    private(set) var ids: [String] = []
    private let address: Address
    private let child: ChildProcess

    static func canServe(_ subject: Subject) -> Bool {
        switch subject {
        case .nodepass, .reference, .nginx: true
        case .haproxy, .direct: false
        }
    }

    /// Starts `subject` and waits until it has `tunnels`, or serves what `original` answers.
    init(
        _ subject: Subject,
        _ tunnels: ManyTunnels,
        sameAs original: APIServer?,
        in directory: TemporaryDirectory
    ) throws {
        self.subject = subject
        switch subject {
        case .nodepass(let program):
            let process = try ManyTunnelsProcess(subject, tunnels, in: directory)
            address = process.api
            child = process.child
            try endOnError {
                _ = try process.awaitReady()
                key = try process.key(program)
                ids = try tunnelIDs()
            }
        case .reference(let program):
            address = Address(port: try Ports.free())
            let copy = directory.path + "/" + UUID().uuidString
            // It keeps its state beside its program.
            try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: program, toPath: copy + "/program")
            let url = "master://127.0.0.1:\(address.port)/api?log=info&tls=0"
            child = try ChildProcess(copy + "/program", [url], in: directory)
            try endOnError {
                key = try printedKey()
                try create(tunnels)
                ids = try tunnelIDs()
            }
        case .nginx(let program):
            guard let original else { throw BenchmarkFailure("nobody answers what it could serve") }
            address = Address(port: try Ports.free())
            key = original.key
            ids = original.ids
            let configuration = NginxConfiguration(port: address.port, directory: directory)
            let paths = [Self.listPath, original.path(of: 0)]
            let file = try configuration.write(paths.map { ($0, try original.answer($0)) })
            child = try ChildProcess(program, ["-c", file], in: directory)
            try endOnError { try awaitAnswer(to: Self.listPath) }
        case .haproxy, .direct:
            throw BenchmarkFailure("it has no API")
        }
        if case .nginx = subject { return }
        guard ids.count == tunnels.count else {
            stop()
            throw BenchmarkFailure("it has \(ids.count) of \(tunnels.count) tunnels")
        }
    }

    var url: String { "http://127.0.0.1:\(address.port)" }

    /// With its workers, if it has any; tunnels that are processes of their own are none.
    var cpuSeconds: Double {
        let own = child.process.cpuSeconds
        guard case .nginx = subject else { return own }
        return child.process.children.reduce(own) { $0 + $1.cpuSeconds }
    }

    func path(of index: Int) -> String { Self.listPath + "/" + ids[index] }

    /// Files do not change.
    func answers(_ question: RequestLoad.Question) -> Bool {
        if case .nginx = subject { return question != .patch }
        return true
    }

    func stop() {
        child.end()
    }

    private func endOnError(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch {
            stop()
            throw error
        }
    }

    private func answer(_ path: String) throws -> HTTPQuestion.Answer {
        let answer = HTTPQuestion(address: address, path: path, key: key).answer()
        guard let answer, answer.status == 200 else { throw BenchmarkFailure("\(path) is not answered") }
        return answer
    }

    /// Without the row that is the key.
    private func tunnelIDs() throws -> [String] {
        let rows = try JSONSerialization.jsonObject(with: answer(Self.listPath).body) as? [[String: Any]]
        return rows?.compactMap { $0["id"] as? String }.filter { !$0.hasPrefix("*") } ?? []
    }

    private func printedKey() throws -> String {
        let deadline = Seconds.now + Self.readinessSeconds
        while Seconds.now < deadline, child.isRunning {
            if let line = child.firstLine(containing: "API Key created:"), let key = line.split(separator: " ").last {
                let key = String(key.prefix { $0.isHexDigit })
                if HTTPQuestion(address: address, path: Self.listPath, key: key).answer()?.status == 200 { return key }
            }
            Seconds.sleep(0.1)
        }
        throw BenchmarkFailure("it does not say its key: \(child.lastLine ?? "")")
    }

    private func create(_ tunnels: ManyTunnels) throws {
        for url in tunnels.urls {
            var question = HTTPQuestion(address: address, path: Self.listPath, key: key)
            question.method = "POST"
            question.text = "{\"url\":\"\(url)\"}"
            guard let answer = question.answer(), answer.status == 201 else {
                throw BenchmarkFailure("it does not create \(url)")
            }
        }
        let deadline = Seconds.now + Self.readinessSeconds
        while tunnels.openCount < tunnels.count, Seconds.now < deadline { Seconds.sleep(0.1) }
    }

    private func awaitAnswer(to path: String) throws {
        let deadline = Seconds.now + Self.readinessSeconds
        while HTTPQuestion(address: address, path: path).answer()?.status != 200 {
            guard child.isRunning, Seconds.now < deadline else {
                throw BenchmarkFailure("it does not answer: \(child.lastLine ?? "")")
            }
            Seconds.sleep(0.1)
        }
    }
}
