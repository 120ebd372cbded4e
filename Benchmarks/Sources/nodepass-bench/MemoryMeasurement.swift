import Foundation

/// What tunnels and idle links cost in resident memory, as the difference between many of them and few.
struct MemoryMeasurement {
    private static let tunnels = 1000
    private static let pools = (few: 8, many: 512)
    private static let readinessSeconds = 60.0
    /// What start-up leaves behind is freed or reused by then.
    private static let settleSeconds = 3.0

    let target: UInt16
    let rounds: Int
    let directory: TemporaryDirectory

    func run(_ subjects: [Subject], _ layouts: [Layout], into results: inout Results) {
        for round in 1...rounds {
            for subject in subjects {
                guard subject.urlProgram != nil else { continue }
                if case .nodepass = subject, layouts.contains(.single) {
                    attempt("tunnels \(round)/\(rounds)", subject, &results) { try measureTunnels(subject, into: &$0) }
                }
                for layout in layouts where layout != .single {
                    attempt("\(layout.title) links \(round)/\(rounds)", subject, &results) {
                        try measureLinks(subject, layout, into: &$0)
                    }
                }
            }
        }
    }

    private func attempt(
        _ title: String,
        _ subject: Subject,
        _ results: inout Results,
        _ measure: (inout Results) throws -> Void
    ) {
        Console.note("memory \(title) \(subject.name)")
        do {
            try measure(&results)
        } catch {
            results.remark("\(subject.name), memory: \(error)")
        }
    }

    private func measureTunnels(_ subject: Subject, into results: inout Results) throws {
        let none = try residentBytes(subject, tunnels: 0)
        let many = try residentBytes(subject, tunnels: Self.tunnels)
        results.add(.memory, "daemon, no tunnel", Subject.ours, [(.residentMegabytes, Double(none) / 1e6)])
        let each = Double(many - none) / Double(Self.tunnels) / 1e3
        results.add(
            .memory,
            "daemon, \(Self.tunnels) tunnels",
            Subject.ours,
            [(.residentMegabytes, Double(many) / 1e6), (.kilobytesPerTunnel, each)]
        )
    }

    private func residentBytes(_ subject: Subject, tunnels: Int) throws -> Int {
        let many = ManyTunnels(count: tunnels, target: target)
        let daemon = try ManyTunnelsProcess(subject, many, in: directory)
        defer { daemon.child.end() }
        _ = try daemon.awaitReady()
        Seconds.sleep(Self.settleSeconds)
        return daemon.child.process.residentBytes
    }

    private func measureLinks(_ subject: Subject, _ layout: Layout, into results: inout Results) throws {
        let few = try linkReading(subject, layout, pool: Self.pools.few)
        let many = try linkReading(subject, layout, pool: Self.pools.many)
        let links = many.sockets - few.sockets
        guard links > (Self.pools.many - Self.pools.few) / 2 else {
            throw BenchmarkFailure("\(layout.title): min=\(Self.pools.many) made only \(links) more links")
        }
        let each = Double(many.bytes - few.bytes) / Double(links) / 1e3
        results.add(
            .memory,
            "\(layout.title), min=\(Self.pools.many) vs \(Self.pools.few)",
            subject.name,
            [(.residentMegabytes, Double(many.bytes) / 1e6), (.links, Double(links)), (.kilobytesPerLink, each)]
        )
    }

    private func linkReading(_ subject: Subject, _ layout: Layout, pool: Int) throws -> (bytes: Int, sockets: Int) {
        let deployment = try Deployment(subject, layout, target: target, pool: pool, in: directory)
        defer { deployment.stop() }
        let deadline = Seconds.now + Self.readinessSeconds / 2
        while deployment.clientSockets < pool, Seconds.now < deadline { Seconds.sleep(0.1) }
        Seconds.sleep(Self.settleSeconds)
        return (deployment.residentBytes, deployment.clientSockets)
    }
}
