import Foundation
import TestSupport

/// A daemon with 50 tunnels, the users of all of them, and the manifest that is edited under them.
struct LiveSoak {
    /// What went wrong, and after which edit.
    struct Disturbed: Error, CustomStringConvertible {
        let description: String
    }

    /// The newest word of a tunnel in the event stream.
    private struct Announced: Sendable {
        var edit: Int
        var isGone: Bool
    }

    private struct Progress: Decodable {
        struct Tunnel: Decodable {
            let name: String?
            let phase: String
        }

        let observed: String
        let applied: String
        let tunnels: [Tunnel]
    }

    private static let serverCount = 3
    /// Messages under way at a time, but for those of lanes that are being edited.
    private static let usersAtOnce = 4
    /// Pairs are two tunnels each.
    private static let kinds: [(LiveLane.Kind, Int)] = [(.single, 34), (.datagrams, 6), (.reverse, 3), (.forward, 2)]
    /// How long the daemon may take to notice that the last users have gone.
    private static let farewellLimit = Duration.seconds(30)

    private let daemon: Daemon
    private let streamServers: [EchoServer]
    private let datagramServers: [DatagramEchoServer]
    private let users: [LiveUsers]
    private let announced = Awaited<[String: Announced]>([:])
    private var lanes: [LiveLane]
    private var random: SeededRandom

    static func start(seed: UInt64) async throws -> LiveSoak {
        var streamServers: [EchoServer] = []
        var datagramServers: [DatagramEchoServer] = []
        for number in 0..<serverCount {
            streamServers.append(try await EchoServer.start(.speakFirst(LiveUser.greeting(of: number))))
            datagramServers.append(try await DatagramEchoServer.start())
        }
        let lanes = try kinds.flatMap { kind, count in Array(repeating: kind, count: count) }.enumerated()
            .map { number, kind in
                let ports = try FreePorts.take(2)
                let (entry, meeting, server) = (ports[0], ports[1], number % serverCount)
                var lane = LiveLane(number: number, kind: kind, entry: entry, meeting: meeting, server: server)
                lane.isEncrypted = lane.isPair && !number.isMultiple(of: 2)
                return lane
            }
        let turnstile = Turnstile(width: usersAtOnce)
        let daemon = try await Daemon.start(
            manifest: manifest(lanes, streamServers, datagramServers),
            environment: ["NP_UDP_READ_TIMEOUT": "2s"]
        )
        for name in lanes.filter(\.isPair).flatMap(\.names) { try await daemon.tunnel(name) { $0.phase == "ready" } }
        return LiveSoak(
            daemon: daemon,
            streamServers: streamServers,
            datagramServers: datagramServers,
            users: lanes.map { LiveUsers($0, turnstile) },
            lanes: lanes,
            random: SeededRandom(seed: seed)
        )
    }

    /// One mapping in braces, so that a part of it, seen while it is written, never reads as a
    /// manifest.
    private static func manifest(
        _ lanes: [LiveLane],
        _ streamServers: [EchoServer],
        _ datagramServers: [DatagramEchoServer]
    ) -> String {
        let (streams, datagrams) = (streamServers.map(\.port), datagramServers.map(\.port))
        let tunnels = lanes.map { $0.text(servers: $0.kind == .datagrams ? datagrams : streams) }
        return "{version: 1, tunnels: {\n\(tunnels.joined())}}\n"
    }

    // MARK: Running

    mutating func run(edits: Int) async throws {
        async let _: Void = follow(try await daemon.events())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for user in users {
                let seeds = (random.next(), random.next())
                group.addTask { await user.stay(seeds.0) }
                group.addTask { await user.visit(seeds.1) }
            }
            do {
                for (user, lane) in zip(users, lanes) {
                    try await user.brace(for: [])
                    try await user.settle(lane, [])
                }
                for number in 1...edits { try await edit(number) }
                for user in users {
                    try await user.brace(for: [])
                    try await user.answer()
                }
                users.forEach { $0.end() }
            } catch {
                // What waits for an answer gets an end.
                users.forEach { $0.end() }
                try? await daemon.kill()
                throw error
            }
        }
        try checkProblems("at the end")
        try await checkCounters()
        try await daemon.stop()
    }

    private func follow(_ stream: EventStream) async throws {
        for try await event in stream {
            guard let instance = event.instance, let name = instance.name else { continue }
            let news = Announced(edit: Int(instance.meta.tags["edit"] ?? "") ?? 0, isGone: event.type == "delete")
            announced.change { $0[name] = news }
        }
    }

    private mutating func edit(_ number: Int) async throws {
        let edit = try LiveEdit(number: number, of: lanes, servers: Self.serverCount, using: &random)
        for change in edit.changes {
            try await users[change.lane.number].brace(for: change.effects)
            lanes[change.lane.number] = change.lane
        }
        try daemon.edit(Self.manifest(lanes, streamServers, datagramServers), atomically: .random(using: &random))
        if Bool.random(using: &random) { daemon.signal(SIGHUP) }
        for change in edit.changes { try await hear(of: change.lane, edit: number) }
        try await applied(edit)
        for change in edit.changes { try await users[change.lane.number].answer() }
        for change in edit.changes { try await users[change.lane.number].settle(change.lane, change.effects) }
        try checkProblems("after \(edit)")
    }

    private func hear(of lane: LiveLane, edit number: Int) async throws {
        for name in lane.names {
            try await announced.wait(for: "edit \(number) of \(name)") { announced -> Bool? in
                guard let news = announced[name] else { return nil }
                let isTold = lane.isDeclared ? news.edit == number && !news.isGone : news.isGone
                return isTold ? true : nil
            }
        }
    }

    /// Waits for the pass that takes the manifest up, and for what its tunnels come to.
    private func applied(_ edit: LiveEdit) async throws {
        var progress: Progress
        repeat {
            progress = try await daemon.request("GET", "/api/v1/reconcile").decode()
        } while progress.applied != progress.observed
        for lane in edit.changes.map(\.lane) where lane.isDeclared {
            let wanted = lane.isRunning ? ["ready"] : ["draining", "stopped"]
            for name in lane.names {
                let phase = progress.tunnels.first { $0.name == name }?.phase
                guard !wanted.contains(phase ?? "") else { continue }
                // Only two ends have somebody else to find; every listener is what it should be
                // after this one pass.
                guard lane.isPair else { throw Disturbed(description: "\(name) is \(phase ?? "gone") after \(edit)") }
                try await daemon.tunnel(name) { wanted.contains($0.phase ?? "") }
            }
        }
    }

    // MARK: Judging

    private func checkProblems(_ when: String) throws {
        let problems = users.flatMap(\.current.problems)
        guard !problems.isEmpty else { return }
        throw Disturbed(description: "\(when)\n\(problems.joined(separator: "\n"))")
    }

    /// Once everybody has left, the daemon has counted every byte; only of connections that were
    /// cut nobody knows.
    private func checkCounters() async throws {
        let deadline = ContinuousClock.now + Self.farewellLimit
        var rows: [InstanceView]
        repeat {
            rows = try await daemon.instances()
        } while rows.contains { $0.tcps > 0 } && ContinuousClock.now < deadline
        var problems: [String] = []
        for row in rows where row.tcps > 0 { problems.append("\(row.name ?? "") still counts \(row.tcps) connections") }
        for (lane, user) in zip(lanes, users.map(\.current)) {
            if user.visits == 0 { problems.append("nobody came to lane \(lane.number)") }
            guard lane.kind == .single, let row = rows.first(where: { $0.name == lane.names[0] }) else { continue }
            let tally = user.tallies[user.tallies.count - 1]
            for (what, counted, carried) in [
                ("from", row.tcprx, tally.sent), ("to", row.tcptx, tally.received),
            ] where !(carried...(carried + tally.uncertain)).contains(Int(counted)) {
                let cut = tally.uncertain > 0 ? ", \(tally.uncertain) more perhaps" : ""
                problems.append("\(lane.names[0]) counted \(counted) bytes \(what) users, who had \(carried)\(cut)")
            }
        }
        guard problems.isEmpty else { throw Disturbed(description: problems.joined(separator: "\n")) }
    }
}
