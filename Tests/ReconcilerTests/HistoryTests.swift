import FoundationEssentials
import GRDB
import Logging
import ServiceLifecycle
import TestSupport
import Testing
import Tunnel

@testable import Reconciler

@Suite("The history of traffic", .timeLimit(.minutes(1)))
struct HistoryTests {
    private let directory: TemporaryDirectory
    private let store: StateStore
    private let host = FakeHost()
    private let wall = Awaited(midnight)

    init() throws {
        directory = try TemporaryDirectory()
        store = try StateStore.open(directory: directory.file("state"))
    }

    @Test("a step has what moved in it; one in which nothing moved is there as nothing, one without the daemon is not")
    func steps() async throws {
        let recorder = recorder()
        let start = seconds
        await run("00000001", "0000abcd")
        count(tcpRx: 100, udpTx: 7, for: "00000001")
        host.hold(3, for: "00000001")
        await sample(recorder, after: 5)
        host.hold(0, for: "00000001")
        await sample(recorder, after: 5)
        await sample(recorder, after: 20)
        let samples = try await store.history(of: "00000001", after: start, in: .fine)
        #expect(samples.map { $0.time - start } == [5, 10, 30])
        #expect(samples.map(\.traffic.tcpRx) == [100, 0, 0])
        #expect(samples.map(\.traffic.udpTx) == [7, 0, 0])
        #expect(samples.map(\.connections) == [3, 0, 0])
        let idle = try await store.history(of: "0000abcd", after: start, in: .fine)
        #expect(idle.count == 3 && idle.allSatisfy { $0.traffic == Traffic() && $0.connections == 0 })
        let later = try await store.history(of: "00000001", after: start + 5, in: .fine)
        #expect(later.map { $0.time - start } == [10, 30])
    }

    @Test("counters that begin anew count from nothing")
    func counters() async throws {
        let recorder = recorder()
        await run("00000001")
        count(tcpRx: 100, for: "00000001")
        await sample(recorder, after: 5)
        await host.remove("00000001")
        await run("00000001")
        count(tcpRx: 30, for: "00000001")
        await sample(recorder, after: 5)
        let samples = try await store.history(of: "00000001", after: 0, in: .fine)
        #expect(samples.map(\.traffic.tcpRx) == [100, 30])
    }

    @Test("minutes are the sums of their steps, those of a former run too, and hold the most connections")
    func minutes() async throws {
        let first = recorder()
        let start = seconds
        await run("00000001")
        for connections in [1, 4, 2] {
            count(tcpRx: 10, tcpTx: 1, for: "00000001")
            host.hold(connections, for: "00000001")
            await sample(first, after: 5)
        }
        // The daemon is gone for the rest of the minute; what another run counts begins at nothing.
        await host.remove("00000001")
        await run("00000001")
        let second = recorder()
        count(tcpRx: 5, for: "00000001")
        await sample(second, after: 60)
        await sample(second, after: 60)
        let samples = try await store.history(of: "00000001", after: start, in: .minutes)
        #expect(samples.map { $0.time - start } == [60, 120])
        #expect(samples.map(\.traffic.tcpRx) == [30, 5])
        #expect(samples.map(\.traffic.tcpTx) == [3, 0])
        #expect(samples.map(\.connections) == [4, 0])
    }

    @Test("a daemon that ends and starts again at the turn of a minute loses none of its bytes")
    func turn() async throws {
        await run("00000001")
        count(tcpRx: 10, for: "00000001")
        await sample(recorder(), after: 58)
        await host.remove("00000001")
        await run("00000001")
        count(tcpRx: 5, for: "00000001")
        await sample(recorder(), after: 2)
        let samples = try await store.history(of: "00000001", after: 0, in: .minutes)
        #expect(samples.map(\.traffic.tcpRx) == [15])
    }

    @Test("steps are kept for an hour, minutes for a week")
    func pruning() async throws {
        let recorder = recorder()
        await run("00000001")
        count(tcpRx: 10, for: "00000001")
        await sample(recorder, after: 5)
        await sample(recorder, after: 60)
        await sample(recorder, after: 3_600)
        // Of the three steps the first is an hour old; the third is in a minute that is not over.
        #expect(try await store.history(of: "00000001", after: 0, in: .fine).map(\.traffic.tcpRx) == [0, 0])
        #expect(try await store.history(of: "00000001", after: 0, in: .minutes).map(\.traffic.tcpRx) == [10, 0])
        await sample(recorder, after: 7 * 86_400)
        #expect(try await store.history(of: "00000001", after: 0, in: .minutes).map(\.traffic.tcpRx) == [0])
    }

    @Test("a clock that jumps a year ahead costs a few steps a minute; put right, it goes on where it was")
    func jump() async throws {
        let recorder = recorder()
        let start = seconds
        let year = 365.0 * 86_400
        await run("00000001")
        for _ in 1...60 {
            count(tcpRx: 10, for: "00000001")
            await sample(recorder, after: 60)
        }
        await sample(recorder, after: year)
        // By the clock all of them are too old; ten minutes go at most, and as many with each minute that it is wrong.
        #expect(try await history(.minutes, from: start, through: start + 3_600).count == 50)
        #expect(try await history(.fine, from: start, through: start + 3_600).count == 60 - 24)
        await sample(recorder, after: 60)
        #expect(try await history(.minutes, from: start, through: start + 3_600).count == 40)

        count(tcpRx: 7, for: "00000001")
        await sample(recorder, after: -year)
        let samples = try await history(.minutes, from: start, through: .max)
        #expect(samples.last?.time == start + 3_720 - 60)
        #expect(samples.last?.traffic.tcpRx == 7)
        #expect(samples.count == 41)
    }

    private func history(
        _ resolution: HistoryResolution,
        from start: Int64,
        through end: Int64
    ) async throws -> [HistorySample] {
        try await store.history(of: "00000001", after: start, in: resolution).filter { $0.time <= end }
    }

    @Test("a store that refuses loses no bytes: they are in the next step that is stored")
    func refused() async throws {
        let recorder = recorder()
        await run("00000001")
        await sample(recorder, after: 5)
        count(tcpRx: 10, for: "00000001")
        try await store.database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA query_only = ON") }
        await sample(recorder, after: 5)
        count(tcpRx: 1, for: "00000001")
        try await store.database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA query_only = OFF") }
        await sample(recorder, after: 5)
        let samples = try await store.history(of: "00000001", after: 0, in: .fine)
        #expect(samples.map(\.traffic.tcpRx) == [0, 11])
    }

    @Test("the overview has the steps of those that moved anything, the busiest first")
    func overview() async throws {
        let recorder = recorder()
        let start = seconds
        await run("00000001", "0000abcd", "ffffffff")
        count(tcpRx: 1, for: "00000001")
        count(udpTx: 20, for: "ffffffff")
        await sample(recorder, after: 5)
        count(tcpRx: 2, udpTx: 3, for: "00000001")
        await sample(recorder, after: 5)
        let overview = try await store.historyOverview(after: start)
        #expect(overview.times == [start + 5, start + 10])
        #expect(overview.tunnels.map(\.id) == ["ffffffff", "00000001"])
        #expect(overview.tunnels.map(\.received) == [[0, 0], [1, 2]])
        #expect(overview.tunnels.map(\.sent) == [[20, 0], [0, 3]])
    }

    @Test("the recorder samples at every full step and once more at the end")
    func loop() async throws {
        let clock = ManualClock()
        let time = Awaited(midnight.addingTimeInterval(2))
        let recorder = HistoryRecorder(store: store, host: host, logger: logger, clock: clock) { time.current }
        let group = ServiceGroup(services: [recorder], logger: logger)
        let running = Task { try await group.run() }
        await clock.sleepers(1)
        time.change { $0 = midnight.addingTimeInterval(5) }
        clock.advance(by: .seconds(3))
        await clock.sleepers(1)
        time.change { $0 = midnight.addingTimeInterval(7) }
        await group.triggerGracefulShutdown()
        try await running.value
        let overview = try await store.historyOverview(after: 0)
        let start = Int64(midnight.timeIntervalSince1970)
        #expect(overview.times == [start + 5, start + 10])
    }

    // MARK: The world

    private var seconds: Int64 { Int64(wall.current.timeIntervalSince1970) }

    private var logger: Logger { .silent }

    private func recorder() -> HistoryRecorder {
        HistoryRecorder(store: store, host: host, logger: logger) { [wall] in wall.current }
    }

    private func run(_ ids: InstanceID...) async {
        for id in ids {
            guard let spec = try? spec(clientURL(9001)) else { continue }
            await host.run(id, spec: spec, generation: 1, releaseFirst: false)
        }
    }

    private func count(tcpRx: UInt64 = 0, tcpTx: UInt64 = 0, udpTx: UInt64 = 0, for id: InstanceID) {
        host.count(Traffic(tcpRx: tcpRx, tcpTx: tcpTx, udpTx: udpTx), for: id)
    }

    private func sample(_ recorder: HistoryRecorder, after passed: Double) async {
        wall.change { $0.addTimeInterval(passed) }
        await recorder.sample()
    }
}

/// A moment at which an hour, and so a minute and a step, begins.
private let midnight = Date(timeIntervalSince1970: 1_795_046_400)
