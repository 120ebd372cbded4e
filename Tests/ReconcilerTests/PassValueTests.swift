import Config
import FoundationEssentials
import TestSupport
import Testing
import Tunnel

@testable import Reconciler

/// A tunnel's status after these steps.
private func status(_ phases: TunnelPhase..., traffic: Traffic = Traffic(), connections: Int = 0) throws -> TunnelStatus
{
    let steps = ([.stopped] + phases).enumerated().map { number, phase in
        PhaseTransition(sequence: number, phase: phase, reason: nil, message: "", time: epoch + Double(number))
    }
    var status = TunnelStatus(spec: try spec(clientURL(9001)), generation: 0, transitions: steps)
    status.traffic = traffic
    status.tcpConnections = connections
    return status
}

@Suite("Settlement: what a pass stores and announces")
struct SettlementTests {
    let id = "abcd1234"

    func state(_ change: (inout InstanceRecord) -> Void = { _ in }) throws -> DesiredState {
        var record = try apiRecord(id, url: clientURL(9001), alias: "web")
        change(&record)
        return DesiredState(records: [record])
    }

    func settle(
        _ state: DesiredState,
        _ actual: [InstanceID: TunnelStatus] = [:],
        _ announcements: Announcements = Announcements(records: []),
        _ outbox: Outbox = Outbox()
    ) -> Settlement {
        let inputs = Settlement.Inputs(
            state: state,
            actual: actual,
            leaving: [],
            traffic: TrafficLedger(),
            now: epoch
        )
        return Settlement(of: inputs, announcements: announcements, outbox: outbox)
    }

    @Test("a new instance is announced as stopped, then with each step of its life")
    func create() throws {
        let settlement = settle(try state(), [id: try status(.starting, .ready)])
        #expect(settlement.events.map(\.words) == ["create web stopped", "update web starting", "update web ready"])
        #expect(settlement.records[id]?.announced == true)
        #expect(settlement.steps.map(\.step.phase) == [.starting, .ready])
    }

    @Test("what clients know is not announced again; a new step or another alias is")
    func news() throws {
        let first = settle(try state(), [id: try status(.starting)])
        let known = first.announcements
        #expect(settle(try state(), [id: try status(.starting)], known).events.isEmpty)
        #expect(
            settle(try state(), [id: try status(.starting, .ready)], known).events.map(\.words) == ["update web ready"]
        )
        let renamed = try state { $0.labels.alias = "new" }
        #expect(settle(renamed, [id: try status(.starting)], known).events.map(\.words) == ["update new starting"])
    }

    @Test("a reset owes an update though nothing a client compares has changed")
    func owedUpdate() throws {
        let known = settle(try state(), [id: try status(.ready)]).announcements
        var outbox = Outbox()
        outbox.addUpdate(id)
        #expect(
            settle(try state(), [id: try status(.ready)], known, outbox).events.map(\.words) == ["update web ready"]
        )
    }

    @Test("an instance that runs no more ends with an update to stopped, a delete, and without its record")
    func end() throws {
        let known = settle(try state(), [id: try status(.ready)]).announcements
        let leaving = try state { $0.departing = true }
        #expect(settle(leaving, [id: try status(.ready)], known).events.isEmpty)
        let settlement = settle(leaving, [:], known)
        #expect(settlement.events.map(\.words) == ["update web stopped", "delete web stopped"])
        #expect(settlement.removed == [id] && settlement.ended == [id])
        #expect(settlement.announcements[id] == nil)
    }

    @Test("a failure is a notice once, and so is the recovery from it")
    func drift() throws {
        let failing = settle(try state(), [id: try status(.starting, .backoff, .starting, .backoff)])
        #expect(failing.events.map(\.kind).filter { $0 == .drift }.count == 1)
        let recovered = settle(
            try state(),
            [id: try status(.starting, .backoff, .starting, .backoff, .ready)],
            failing.announcements
        )
        #expect(recovered.events.map(\.kind) == [.update, .drift])
    }

    @Test("what waited in the outbox goes with it: notices first, then the records")
    func outbox() throws {
        var outbox = Outbox()
        outbox.add(.reject([]), at: epoch)
        outbox.addRecords([id])
        let settlement = settle(try state(), [:], Announcements(records: []), outbox)
        #expect(settlement.events.map(\.kind) == [.reject, .create])
        #expect(settlement.records.keys.sorted() == [id])
    }
}

@Suite("What waits for a pass")
struct OutboxTests {
    @Test("it takes a limited number of notices")
    func limit() {
        var outbox = Outbox()
        for _ in 0...Outbox.noticeLimit { outbox.add(.reject([]), at: epoch) }
        #expect(outbox.notices.count == Outbox.noticeLimit)
    }

    @Test("that a pass has to be reported is asked once, and lasts until then")
    func passReport() {
        var outbox = Outbox()
        outbox.reportPass()
        outbox.empty()
        let answers = [outbox.takePassReport(), outbox.takePassReport()]
        #expect(answers == [true, false])
    }
}

@Suite("Announcements")
struct AnnouncementsTests {
    @Test("log lines wait for the create of their instance, in order and within a limit")
    func heldLines() throws {
        var announcements = Announcements(records: [])
        for number in 0...Announcements.heldLineLimit {
            let isAdmitted = announcements.admits("\(number)", of: "abcd1234")
            #expect(!isAdmitted)
        }
        let lines = [announcements.takeHeldLines(), announcements.takeHeldLines()]
        #expect(lines[0].map(\.text) == (0..<Announcements.heldLineLimit).map(String.init))
        #expect(lines[1].isEmpty)
        announcements["abcd1234"] = AnnouncedInstance()
        let isAdmitted = announcements.admits("now", of: "abcd1234")
        #expect(isAdmitted)
    }

    @Test("figures are reported when they move, and after a minute of silence; a stopped tunnel's never")
    func reports() throws {
        var announcements = Announcements(records: [])
        announcements["a"] = AnnouncedInstance()
        let moments: [(TunnelStatus, Double)] = [
            (try status(.ready), 0), (try status(.ready), 5), (try status(.ready, connections: 1), 10),
            (try status(.ready, connections: 1), 69), (try status(.ready, connections: 1), 70),
            (try status(.ready, .stopped), 500),
        ]
        let answers = moments.map { announcements.reports($0, of: "a", at: epoch + $1) }
        #expect(answers == [true, false, true, false, true, false])
        announcements.forgetReports()
        let afresh = announcements.reports(try status(.ready, connections: 1), of: "a", at: epoch + 71)
        let unknown = announcements.reports(try status(.ready), of: "unknown", at: epoch)
        #expect(afresh && !unknown)
    }
}

@Suite("A round of reports")
struct ReportRoundTests {
    @Test("at most a thousand are sent at once, the rest a second later each, and then the interval begins anew")
    func batches() {
        var round = ReportRound()
        let interval = Duration.seconds(5)
        #expect(round.isOver && round.pause(interval) == interval)
        let ids = (0..<2_500).map { "\(10_000 + $0)" }
        round.begin(ids.shuffled())
        var sent: [[String]] = []
        while !round.isOver {
            #expect(round.pause(interval) == .seconds(1))
            sent.append(round.batch { $0 })
        }
        #expect(sent.map(\.count) == [1_000, 1_000, 500])
        #expect(sent.flatMap(\.self) == ids)
        #expect(round.pause(interval) == interval)
    }

    @Test("instances without a report take no place")
    func silent() {
        var round = ReportRound()
        round.begin((0..<3_000).map { "\(10_000 + $0)" })
        #expect(round.batch { $0.hasSuffix("0") ? $0 : nil }.count == 300)
        #expect(round.isOver)
    }
}

@Suite("Traffic ledger")
struct TrafficLedgerTests {
    @Test("each byte counts once: what was folded is in the record, the rest comes on top")
    func total() throws {
        var ledger = TrafficLedger()
        var record = try apiRecord("a", url: clientURL(9001))
        record.traffic = Traffic(tcpRx: 100)
        let five = try status(.ready, traffic: Traffic(tcpRx: 5))
        #expect(ledger.total("a", stored: record.traffic, five).tcpRx == 105)
        let changes = ledger.changes(in: ["a": record], ["a": five, "unknown": five])
        #expect(changes == ["a": Traffic(tcpRx: 105)])
        ledger.fold("a", five)
        #expect(ledger.total("a", stored: Traffic(tcpRx: 105), five).tcpRx == 105)
        #expect(ledger.changes(in: ["a": record], ["a": five]).isEmpty)
        let seven = try status(.ready, traffic: Traffic(tcpRx: 7))
        #expect(ledger.total("a", stored: Traffic(tcpRx: 105), seven).tcpRx == 107)
    }

    @Test("an engine that has forgotten the instance begins at zero again")
    func forget() throws {
        var ledger = TrafficLedger()
        ledger.fold("a", try status(.ready, traffic: Traffic(tcpRx: 5)))
        ledger.forget("a")
        let two = try status(.ready, traffic: Traffic(tcpRx: 2))
        #expect(ledger.total("a", stored: Traffic(tcpRx: 5), two).tcpRx == 7)
    }

    @Test("an instance that does not run has its stored total")
    func stopped() {
        #expect(TrafficLedger().total("a", stored: Traffic(udpRx: 3), nil) == Traffic(udpRx: 3))
    }
}

@Suite("Pass schedule")
struct PassScheduleTests {
    @Test("a daemon with a manifest waits for its first reading, another one does not")
    func manifest() {
        var schedule = PassSchedule(expectsManifest: true)
        #expect(!schedule.mayReconcile)
        schedule.declared()
        #expect(schedule.mayReconcile)
        #expect(PassSchedule(expectsManifest: false).mayReconcile)
    }

    @Test("an expiry is armed once, again for an earlier one, and again after its sleep")
    func expiry() {
        var schedule = PassSchedule(expectsManifest: false)
        var armed = [(nil, epoch), (epoch + 60, epoch), (epoch + 60, epoch), (epoch + 30, epoch), (epoch + 60, epoch)]
            .map { schedule.armExpiry($0, now: $1) }
        #expect(armed == [nil, epoch + 60, nil, epoch + 30, nil])
        schedule.expiryDue()
        // After the second the sleep should have ended: the clock was moved.
        armed = [(epoch + 60, epoch), (epoch + 60, epoch + 61)].map { schedule.armExpiry($0, now: $1) }
        #expect(armed == [epoch + 60, epoch + 60])
    }

    @Test("a report that is due is due once")
    func report() {
        var schedule = PassSchedule(expectsManifest: false)
        let before = schedule.takeReport()
        schedule.reportDue()
        let after = [schedule.takeReport(), schedule.takeReport()]
        #expect([before] + after == [false, true, false])
    }

    @Test("who waits for a pass is released by its end, or at the end of all, and nobody waits after that")
    func waiters() async {
        final class Order: Sendable { let released = AsyncStream.makeStream(of: Int.self) }
        var schedule = PassSchedule(expectsManifest: false)
        schedule.begin()
        let order = Order()
        let continuations = AsyncStream.makeStream(of: (Int, CheckedContinuation<Void, Never>).self)
        for pass in [1, 2] {
            Task {
                await withCheckedContinuation { continuations.continuation.yield((pass, $0)) }
                order.released.continuation.yield(pass)
            }
        }
        for await (pass, continuation) in continuations.stream.prefix(2) {
            let isKept = schedule.wait(for: pass, continuation)
            #expect(isKept)
        }
        var released = order.released.stream.makeAsyncIterator()
        let first = schedule.end()
        #expect(first.count == 1)
        for waiter in first { waiter.resume() }
        #expect(await released.next() == 1)
        let rest = schedule.finish()
        #expect(rest.count == 1)
        for waiter in rest { waiter.resume() }
        #expect(await released.next() == 2)
        await withCheckedContinuation { late in
            let isKept = schedule.wait(for: 3, late)
            #expect(!isKept)
            late.resume()
        }
    }
}

@Suite("Recent events")
struct RecentEventsTests {
    func events(_ ids: ClosedRange<Int64>, bytes: Int = 1) -> [StreamEvent] {
        ids.map { id in
            StreamEvent(id: id, kind: .update, instanceID: "a", payload: String(repeating: "x", count: bytes))
        }
    }

    @Test("a page begins after the id that is asked for, where that is still here")
    func page() {
        var recent = RecentEvents()
        recent.append(events(5...9))
        #expect(recent.page(after: 4, limit: 2)?.compactMap(\.id) == [5, 6])
        #expect(recent.page(after: 8, limit: 9)?.compactMap(\.id) == [9])
        #expect(recent.page(after: 3, limit: 9) == nil)
        #expect(recent.page(after: 9, limit: 9) == nil)
    }

    @Test("a page from the store goes in front where it reaches up to what is here, or to the end of the log")
    func prepend() {
        var recent = RecentEvents()
        recent.prepend(events(1...3), lastID: 9)
        #expect(recent.page(after: 0, limit: 9) == nil)
        recent.prepend(events(7...9), lastID: 9)
        recent.prepend(events(3...7), lastID: 9)
        recent.prepend(events(1...1), lastID: 9)
        #expect(recent.page(after: 2, limit: 99)?.compactMap(\.id) == Array(3...9))
        #expect(recent.page(after: 0, limit: 9) == nil)
    }

    @Test("it holds a limited number of events and of bytes, and begins anew after a gap")
    func limits() {
        var recent = RecentEvents()
        recent.append(events(1...2_000))
        #expect(recent.page(after: 2_000 - Int64(RecentEvents.limit), limit: 9_999)?.count == RecentEvents.limit)
        #expect(recent.page(after: 0, limit: 1) == nil)
        recent.append(events(2_001...2_002, bytes: RecentEvents.limitBytes))
        #expect(recent.page(after: 2_001, limit: 9)?.count == 1)
        #expect(recent.page(after: 2_000, limit: 9) == nil)
        recent.append(events(3_000...3_001))
        #expect(recent.page(after: 2_999, limit: 9)?.count == 2)
        #expect(recent.page(after: 2_001, limit: 9) == nil)
    }
}
