import API
import Foundation
import Reconciler
import TestSupport

/// One state directory, the daemons that live and die on it, and what must outlive them.
struct CrashRun {
    /// What a daemon has lost, or shows and should not.
    struct Lost: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) {
            self.description = description
        }
    }

    /// Tasks that send requests; beside them one edits the file and one follows the events.
    private static let requesters = 3
    /// Acknowledgements and events of one round.
    private static let newsUntilKill = 0...250

    private let seed: UInt64
    private let directory: TemporaryDirectory
    private let ports: [Int]
    private let ledger: Awaited<CrashLedger>
    private var random: SeededRandom
    private var roundNumber = 0
    /// The row of the API key, as the first daemon showed it.
    private var key: InstanceView?
    /// Events of the last round that had any.
    private var seen: [EventBlock] = []

    init(seed: UInt64) throws {
        self.seed = seed
        random = SeededRandom(seed: seed)
        ports = try FreePorts.take(CrashLedger.portCount)
        directory = try TemporaryDirectory()
        let (first, text) = CrashLedger.first(ports: ports, using: &random)
        ledger = Awaited(first)
        try directory.write(text, to: "tunnels.yaml")
    }

    /// What to say of a failure, so that it can be repeated.
    var place: String { "NODEPASS_TEST_SEED=\(seed), round \(roundNumber)" }

    /// A daemon starts, shows that nothing is lost, is changed by many, and killed.
    mutating func round() async throws {
        roundNumber += 1
        if Int.random(in: 0..<3, using: &random) == 0 { try await killEarly() }
        let daemon = try await Daemon.start(in: directory)
        try await check(daemon)
        if Bool.random(using: &random) { try await resume(daemon) }

        let events = try await disturb(daemon)
        let ids = ((seen.last.map { [$0] } ?? []) + events).compactMap(\.id)
        guard ids == Set(ids).sorted() else { throw Lost("event ids go back: \(ids)") }
        if !events.isEmpty { seen = events }
        if Bool.random(using: &random) { try await readStore() }
    }

    /// One more daemon, which ends as it should.
    mutating func finish() async throws {
        roundNumber += 1
        let daemon = try await Daemon.start(in: directory)
        try await check(daemon)
        try await daemon.stop()
        try await checkLives()
    }

    // MARK: A round

    /// Starts a daemon and kills it while it is still starting its tunnels.
    private mutating func killEarly() async throws {
        let arguments = ["run", "-f", directory.file("tunnels.yaml"), "--listen", "127.0.0.1:0"]
        var daemon = try await FollowedProcess.start(arguments + ["--state-dir", directory.file("state")])
        for _ in 0..<Int.random(in: 1...ledger.current.runningCount, using: &random) {
            guard await daemon.line(with: /applying tunnel/) != nil else { throw Lost("a start ended: \(daemon.seen)") }
        }
        daemon.process.signal(SIGKILL)
        _ = try await daemon.end()
    }

    /// Lets clients at the daemon, kills it at a random moment, and returns the stored events it
    /// has sent.
    private mutating func disturb(_ daemon: Daemon) async throws -> [EventBlock] {
        let client = CrashClient(daemon: daemon, ledger: ledger, ports: ports, place: place)
        let newsUntilKill = Int.random(in: Self.newsUntilKill, using: &random)
        let seeds = (0...Self.requesters).map { _ in random.next() }
        let stream = try await daemon.events()
        async let followed: Void = client.follow(stream)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await client.work(seeds[0]) { $0.edit } }
            for seed in seeds[1...] { group.addTask { await client.work(seed) { $0.request } } }
            defer { group.cancelAll() }
            try await client.journal.wait(for: "\(newsUntilKill) news") { $0.news >= newsUntilKill ? true : nil }
            client.journal.change { $0.isKilled = true }
            try await daemon.kill()
        }
        await followed
        return client.journal.current.events
    }

    /// Compares what a new start shows with the ledger.
    private mutating func check(_ daemon: Daemon) async throws {
        for case (.declared(let name), let entry) in ledger.current.entries where entry.isBrief {
            try await daemon.tunnel(name) { $0.override == nil }
        }
        let rows = try await daemon.request("GET", "/api/v1/instances").decode([InstanceView].self)
        let keyRow = rows.first { $0.id == "********" }
        guard let keyRow, keyRow.url == key?.url ?? keyRow.url, keyRow.config == key?.config ?? keyRow.config else {
            throw Lost("the API key or the master's id is not what it was")
        }
        key = keyRow
        let problems = ledger.change { $0.settle(rows.filter { $0.id != keyRow.id }, masterAlias: keyRow.alias) }
        if !problems.isEmpty { throw Lost(problems.joined(separator: "\n")) }
    }

    // MARK: Events

    /// A client that resumes gets the same events again.
    private func resume(_ daemon: Daemon) async throws {
        guard let first = seen.first?.id, let last = seen.last?.id else { return }
        var stream = try await daemon.events(after: first - 1).makeAsyncIterator()
        var stored: [EventBlock] = []
        while stored.last?.id ?? 0 < last {
            guard let block = try await stream.nextBlock() else { break }
            if block.id != nil { stored.append(block) }
        }
        try compare(stored)
    }

    /// The dead daemon's store has them.
    private func readStore() async throws {
        guard let first = seen.first?.id, let last = seen.last?.id else { return }
        let store = try StateStore.open(directory: directory.file("state"))
        try compare(try await store.events(after: first - 1, limit: Int(last - first) + 1).map(EventBlock.init))
    }

    private func compare(_ stored: [EventBlock]) throws {
        let missing = Set(seen).subtracting(stored)
        guard !missing.isEmpty else { return }
        let ids = missing.compactMap(\.id).sorted()
        throw Lost("seen, and not stored like that: events \(ids); stored: \(stored.compactMap(\.id))")
    }

    /// Every life in the log begins with `create`, ends with `delete`, and no number is missing.
    private func checkLives() async throws {
        let store = try StateStore.open(directory: directory.file("state"))
        let events = try await store.events(after: 0, limit: StateStore.eventLimit + StateStore.pruneInterval)
        let ids = events.compactMap(\.id)
        guard let first = ids.first, ids == Array(first..<first + Int64(ids.count)) else {
            throw Lost("the event log has gaps: \(ids)")
        }
        // Of a log that was cut nobody knows who lived at its beginning.
        var living: [String: Bool] = [:]
        for event in events {
            let id = event.instanceID ?? ""
            let lives = living[id] ?? (first > 1 ? event.kind != .create : false)
            guard lives == (event.kind != .create) else {
                throw Lost(
                    "event \(event.id ?? 0) is a \(event.kind) of \(id), which \(lives ? "lives" : "does not live")"
                )
            }
            living[id] = event.kind != .delete
        }
        let present = try store.instances().records.filter { !$0.departing && $0.override?.deleted != true }.map(\.id)
        let announced = living.filter(\.value).keys.sorted()
        guard first > 1 || announced == present.sorted() else {
            throw Lost("\(present) live, and announced were \(announced)")
        }
    }
}

extension EventBlock {
    fileprivate init(_ event: RecordedEvent) {
        id = event.id
        data = API.EventView.payload(event)
    }
}
