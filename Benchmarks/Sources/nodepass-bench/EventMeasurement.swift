/// What it costs a daemon to tell very many subscribers of very many changes, and how late they hear of it.
struct EventMeasurement {
    /// Each of them changes several times a second, so that one who falls behind is seen: their events are folded.
    private static let tunnels = 50
    /// What start-up leaves behind is freed or reused by then.
    private static let settleSeconds = 3.0

    let load: EventLoad
    let target: UInt16
    let rounds: Int
    let directory: TemporaryDirectory

    /// nodepass alone: an event of other programs cannot be distinguished from a report that repeats it.
    func run(_ subjects: [Subject], into results: inout Results) {
        for round in 1...rounds {
            for subject in subjects {
                guard case .nodepass(let program) = subject else { continue }
                Console.note("events \(round)/\(rounds) \(subject.name)")
                do {
                    try measure(subject, program, &results)
                } catch {
                    results.remark("\(subject.name), events: \(error)")
                }
            }
        }
    }

    private func measure(_ subject: Subject, _ program: String, _ results: inout Results) throws {
        let daemon = try ManyTunnelsProcess(subject, ManyTunnels(count: Self.tunnels, target: target), in: directory)
        defer { daemon.child.end() }
        _ = try daemon.awaitReady()
        Seconds.sleep(Self.settleSeconds)
        let process = daemon.child.process
        let api = EventLoad.API(address: daemon.api, key: try daemon.key(program), tunnels: Self.tunnels)
        add("before", [(.residentMegabytes, Double(process.residentBytes) / 1e6)], &results)
        let subscribers = try load.subscribe(to: api)
        defer { subscribers.forEach { $0.close() } }
        Seconds.sleep(Self.settleSeconds)
        add("subscribed", [(.residentMegabytes, Double(process.residentBytes) / 1e6)], &results)
        let outcome = try load.run(on: api, subscribers, watching: process)
        add("\(load.rate) events/s", outcome.values, &results)
        if outcome.missing > 0 || outcome.cut > 0 || outcome.failures > 0 {
            results.remark("\(subject.name), events: not every event arrived, or not every PATCH was answered")
        }
    }

    private func add(_ scenario: String, _ values: [(Metric, Double)], _ results: inout Results) {
        results.add(.events, "\(load.subscribers) subscribers, \(scenario)", Subject.ours, values)
        let text = values.map { "\(Table.number($0.1)) \($0.0.rawValue)" }.joined(separator: ", ")
        Console.note("events \(scenario): \(text)")
    }
}
