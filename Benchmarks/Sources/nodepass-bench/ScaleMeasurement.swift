import Foundation

/// What very many tunnels in one process cost: to check, to start, to change one of them, and to do nothing.
struct ScaleMeasurement {
    private static let editsPerRound = 5
    private static let passesPerRound = 5
    /// What start-up leaves behind is freed or reused by then.
    private static let settleSeconds = 3.0
    private static let idleSeconds = 20.0

    let count: Int
    let target: UInt16
    let rounds: Int
    let directory: TemporaryDirectory

    func run(_ subjects: [Subject], into results: inout Results) {
        for round in 1...rounds {
            for subject in subjects where ManyTunnelsProcess.canServe(subject) {
                Console.note("scale \(round)/\(rounds) \(subject.name)")
                do {
                    try measure(subject, &results)
                } catch {
                    results.remark("\(subject.name), scale: \(error)")
                }
            }
        }
    }

    private func measure(_ subject: Subject, _ results: inout Results) throws {
        let seconds = try ManyTunnelsProcess.secondsToCheck(subject, tunnels(count), in: directory)
        add("check of the file", subject, [(.seconds, seconds)], &results)
        let few = try measureFew(subject)
        let state = UUID().uuidString
        try run(subject, "start", state: state, &results) { process, results in
            Seconds.sleep(Self.settleSeconds)
            let many = process.child.process.residentBytes
            let each = Double(many - few) / Double(count - 1) / 1e3
            add(
                "start",
                subject,
                [(.residentMegabytes, Double(many) / 1e6), (.kilobytesPerTunnel, each)],
                &results
            )
            add("idle", subject, [(.idleCPU, idlePercent(process))], &results)
        }
        switch subject {
        case .nodepass(let program):
            try run(subject, "start with its state", state: state, &results) { process, results in
                try measurePasses(process, program, &results)
                try measureEdits(&process, subject, &results)
            }
        default:
            var process = try ManyTunnelsProcess(subject, tunnels(count), reloads: true, in: directory)
            defer { process.child.end() }
            _ = try process.awaitReady()
            try measureEdits(&process, subject, &results)
        }
    }

    private func tunnels(_ count: Int) -> ManyTunnels {
        ManyTunnels(count: count, target: target)
    }

    /// Resident bytes with a single tunnel, which is the least that haproxy runs with.
    private func measureFew(_ subject: Subject) throws -> Int {
        let process = try ManyTunnelsProcess(subject, tunnels(1), in: directory)
        defer { process.child.end() }
        _ = try process.awaitReady()
        Seconds.sleep(Self.settleSeconds)
        return process.child.process.residentBytes
    }

    private func run(
        _ subject: Subject,
        _ scenario: String,
        state: String,
        _ results: inout Results,
        _ measure: (inout ManyTunnelsProcess, inout Results) throws -> Void
    ) throws {
        var process = try ManyTunnelsProcess(subject, tunnels(count), state: state, in: directory)
        defer { process.child.end() }
        let seconds = try process.awaitReady()
        let cpu = process.child.process.cpuSeconds
        add(scenario, subject, [(.seconds, seconds), (.cpuSeconds, cpu)], &results)
        try measure(&process, &results)
    }

    private func idlePercent(_ process: ManyTunnelsProcess) -> Double {
        let before = process.child.process.cpuSeconds
        Seconds.sleep(Self.idleSeconds)
        return (process.child.process.cpuSeconds - before) / Self.idleSeconds * 100
    }

    /// Each SIGHUP is a reading of the same file and the pass that finds nothing to do.
    private func measurePasses(_ process: ManyTunnelsProcess, _ program: String, _ results: inout Results) throws {
        for _ in 0..<Self.passesPerRound {
            kill(process.child.pid, SIGHUP)
            Seconds.sleep(1)
            guard let time = try process.reconcileStatus(program)["passMilliseconds"] as? NSNumber else {
                return results.remark("nodepass, scale: it does not tell how long a pass takes")
            }
            add("nothing to reconcile", .nodepass(program), [(.passMilliseconds, time.doubleValue)], &results)
        }
    }

    private func measureEdits(
        _ process: inout ManyTunnelsProcess,
        _ subject: Subject,
        _ results: inout Results
    ) throws {
        for _ in 0..<Self.editsPerRound {
            Seconds.sleep(1)
            let seconds = try process.secondsToMoveOne()
            add("one of them moves", subject, [(.editMilliseconds, seconds * 1e3)], &results)
        }
    }

    private func add(
        _ scenario: String,
        _ subject: Subject,
        _ values: [(Metric, Double)],
        _ results: inout Results
    ) {
        results.add(.scale, "\(count) tunnels, \(scenario)", subject.name, values)
        let text = values.map { "\(Table.number($0.1)) \($0.0.rawValue)" }.joined(separator: ", ")
        Console.note("scale \(scenario) \(subject.name): \(text)")
    }
}
