/// Decides what is measured when: a layout's subjects run together, and take turns within each measurement.
struct BenchmarkRun {
    struct Plan {
        let sections: [Section]
        let layouts: [Layout]
        let seconds: Double
        let rounds: Int
        let rates: [Int]
        let tunnels: Int
        let events: EventLoad
    }

    private static let streams = [1, 8]
    private static let datagramBytes = [64, 1400]

    private let subjects: Subjects
    private let plan: Plan
    private let directory: TemporaryDirectory
    private let target: TCPTarget
    private let datagramTarget: UDPTarget
    private let file: SendFile
    private(set) var results = Results()
    /// What a subject has failed at in a layout, and is not asked for again: it would only time out once more.
    private var failed: Set<String> = []

    init(subjects: Subjects, plan: Plan, directory: TemporaryDirectory) throws {
        self.subjects = subjects
        self.plan = plan
        self.directory = directory
        target = try TCPTarget()
        datagramTarget = try UDPTarget(beside: target)
        file = try SendFile(in: directory)
        target.start()
        datagramTarget.start()
    }

    mutating func remark(_ text: String) {
        results.remark(text)
    }

    mutating func run() {
        subjects.absent.forEach { remark($0) }
        let traffic = plan.sections.filter(\.isTraffic)
        if !traffic.isEmpty { plan.layouts.forEach { measure($0, traffic) } }
        if plan.sections.contains(.memory) {
            let memory = MemoryMeasurement(target: target.port, rounds: plan.rounds, directory: directory)
            memory.run(subjects.all, plan.layouts, into: &results)
        }
        if plan.sections.contains(.scale) {
            let scale = ScaleMeasurement(
                count: plan.tunnels,
                target: target.port,
                rounds: plan.rounds,
                directory: directory
            )
            scale.run(subjects.all, into: &results)
        }
        if plan.sections.contains(.api), let wrk = subjects.wrk {
            let api = APIMeasurement(
                load: RequestLoad(wrk: wrk, seconds: plan.seconds),
                target: target.port,
                rounds: plan.rounds,
                directory: directory
            )
            api.run(subjects.all, into: &results)
        }
        if plan.sections.contains(.events) {
            let events = EventMeasurement(
                load: plan.events,
                target: target.port,
                rounds: plan.rounds,
                directory: directory
            )
            events.run(subjects.all, into: &results)
        }
    }

    private mutating func measure(_ layout: Layout, _ sections: [Section]) {
        let deployments = subjects.all.filter { $0.supports(layout) }.compactMap { deploy($0, layout) }
        defer { deployments.forEach { $0.stop() } }
        for section in sections {
            switch section {
            case .throughput: measureThroughput(deployments)
            case .connections: measureConnections(deployments)
            case .latency: measureLatency(deployments)
            case .udp: measureDatagrams(deployments)
            case .memory, .scale, .api, .events: break
            }
        }
    }

    private mutating func deploy(_ subject: Subject, _ layout: Layout) -> Deployment? {
        do {
            return try Deployment(subject, layout, target: target.port, in: directory)
        } catch {
            remark("\(subject.name), \(layout.title): left out, \(error)")
            return nil
        }
    }

    private mutating func measureThroughput(_ deployments: [Deployment]) {
        for streams in Self.streams {
            let load = ThroughputLoad(streams: streams, seconds: plan.seconds)
            takeTurns(.throughput, streams == 1 ? "1 stream" : "\(streams) streams", deployments) { run, deployment in
                let outcome = try load.run(through: deployment, to: run.target, sending: run.file)
                let rate = (Metric.megabytesPerSecond, outcome.megabytesPerSecond)
                if case .direct = deployment.subject { return [rate] }
                return [rate, (.cpuSecondsPerGigabyte, outcome.cpuSecondsPerGigabyte)]
            }
        }
    }

    private mutating func measureConnections(_ deployments: [Deployment]) {
        let load = ConnectionLoad(seconds: plan.seconds)
        takeTurns(.connections, "\(ConnectionLoad.workers) workers", deployments) { _, deployment in
            let outcome = try load.run(through: deployment)
            var values: [(Metric, Double)] = [
                (.connectionsPerSecond, outcome.perSecond),
                (.connectionP50, outcome.p50),
                (.connectionP99, outcome.p99),
                (.connectionMax, outcome.max),
                (.connectionFailures, Double(outcome.failures)),
            ]
            if case .direct = deployment.subject { return values }
            values.append((.cpuPerConnection, outcome.cpuMicrosecondsEach))
            return values
        }
    }

    private mutating func measureLatency(_ deployments: [Deployment]) {
        let load = PingPongLoad(seconds: plan.seconds)
        takeTurns(.latency, "\(PingPongLoad.messageBytes) bytes", deployments) { _, deployment in
            let outcome = try load.run(through: deployment)
            return [(.roundTripP50, outcome.p50), (.roundTripP99, outcome.p99)]
        }
    }

    /// TLS on the links changes nothing for datagrams that the same layout without it does not show.
    private mutating func measureDatagrams(_ deployments: [Deployment]) {
        let deployments = deployments.filter {
            $0.subject.carriesDatagrams && ![.dualTLS, .webSocketTLS].contains($0.layout)
        }
        for size in Self.datagramBytes {
            for rate in plan.rates {
                let load = DatagramLoad(size: size, rate: rate, seconds: plan.seconds)
                takeTurns(.udp, "\(size) bytes, \(rate)/s", deployments) { run, deployment in
                    let outcome = try load.run(through: deployment, to: run.datagramTarget)
                    let values: [(Metric, Double)] = [
                        (.datagramsSent, outcome.sentPerSecond),
                        (.datagramsReceived, outcome.receivedPerSecond),
                        (.datagramLoss, outcome.lossPercent),
                        (.datagramByteLoss, outcome.byteLossPercent),
                    ]
                    if case .direct = deployment.subject { return values }
                    return values + [(.cpuPerDatagram, outcome.cpuMicrosecondsEach)]
                }
            }
        }
    }

    /// A B C A B C …: what else the machine does in the meantime hits every subject alike.
    private mutating func takeTurns(
        _ section: Section,
        _ scenario: String,
        _ deployments: [Deployment],
        _ measure: (BenchmarkRun, Deployment) throws -> [(Metric, Double)]
    ) {
        for round in 1...plan.rounds {
            for deployment in deployments {
                let scenario = "\(deployment.layout.title), \(scenario)"
                let name = deployment.subject.name
                let task = "\(name), \(section.rawValue) \(deployment.layout.title)"
                if failed.contains(task) { continue }
                do {
                    let values = try measure(self, deployment)
                    results.add(section, scenario, name, values)
                    let text = values.map { "\(Table.number($0.1)) \($0.0.rawValue)" }.joined(separator: ", ")
                    Console.note("\(section.rawValue) \(scenario) \(round)/\(plan.rounds) \(name): \(text)")
                } catch {
                    failed.insert(task)
                    remark("\(name), \(section.rawValue) \(scenario): \(error); not tried again")
                }
            }
        }
    }
}
