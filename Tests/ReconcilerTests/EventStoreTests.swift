import Config
import FoundationEssentials
import GRDB
import TestSupport
import Testing
import Tunnel

@testable import Reconciler

@Suite("Events in the store")
struct EventStoreTests {
    let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    func open() throws -> StateStore {
        try StateStore.open(directory: directory.path, now: epoch)
    }

    /// A moment that no text of milliseconds holds.
    static let moment = Date(timeIntervalSince1970: 1_795_000_000.123_456_7)

    static func snapshot() throws -> InstanceSnapshot {
        var record = try apiRecord("abcd1234", url: clientURL(9001), alias: "Web")
        record.name = "web"
        record.origin = .manifest
        record.source = SourceLocation(file: "/etc/a:b.yaml", line: 3, column: 5)
        record.labels.tags = ["env": "prod \"x\""]
        record.labels.peer = PeerLabel(sid: "s", type: "t", alias: "é")
        record.autostart = false
        var override = Override(since: moment, until: moment + 60, by: "socket", revision: "r1")
        override.url = clientURL(9002)
        override.running = false
        override.tags = [:]
        override.peer = PeerLabel(sid: "s", type: "t", alias: "a")
        record.override = override
        let desired = try #require(DesiredInstance(record))
        var snapshot = InstanceSnapshot(desired.instance(status: nil, traffic: Traffic(tcpRx: 1, udpTx: .max)))
        snapshot.phase = .draining
        snapshot.status.reason = .portInUse
        snapshot.status.message = "port 9001 is taken"
        snapshot.status.resolvedMode = 1
        snapshot.status.pingMilliseconds = 2
        snapshot.status.poolIdle = 3
        snapshot.status.tcpConnections = 4
        snapshot.status.udpSessions = 5
        snapshot.status.readySince = moment - 1
        snapshot.status.drainingConnections = 6
        snapshot.status.drainDeadline = moment + 30
        snapshot.status.rejected = 7
        snapshot.status.certificate = CertificateSummary(
            subject: "CN=x",
            notBefore: moment - 1_000,
            notAfter: moment + 1_000,
            fingerprint: "sha256:AB",
            path: "/etc/x.pem"
        )
        return snapshot
    }

    static func notices() -> [ReconcileNotice] {
        let subject = ReconcileNotice.Subject(id: "abcd1234", name: "abcd1234", alias: "mine")
        let place = SourceLocation(file: "/etc/a:b.yaml", line: 3, column: 5)
        let step = PlanReport.Step(
            id: "abcd1234",
            name: "web",
            alias: "mine",
            action: .adopt,
            isChange: true,
            source: place,
            route: "client://127.0.0.1:1 → 10.0.0.7:80",
            changes: [FieldChange(path: "tunnel", class: .rebind, old: "a", new: "b")],
            connections: PlanReport.Connections(count: 2, effect: .drain, limit: .milliseconds(1500))
        )
        let digest = PlanDigest(counts: [.adopt: 1, .live: 2], overridden: 3, unchanged: 4, steps: [step])
        let counts = PlanDigest(counts: [.adopt: 1], overridden: 0, unchanged: 4, steps: [])
        var override = Override(since: moment, until: nil, by: "10.0.0.1", note: "INC-42", revision: "r")
        override.alias = "x"
        let diagnostic = Diagnostic(.warning, at: place, path: "tunnels.web", code: "c", "message", related: place)
        return [
            .plan(digest, revision: "r1"),
            .apply(counts, revision: "r1", failing: ["web", "mine (abcd1234)"]),
            .reject(count: 70, first: [diagnostic, Diagnostic(.error, at: nil, path: "", code: "d", "other")]),
            .override(subject, override),
            .release(
                ReconcileNotice.Subject(id: "abcd1234", name: "web", alias: nil),
                .edit,
                by: "manifest",
                note: nil
            ),
            .request(subject, .forgetPeer, by: "root (local CLI)", note: "replaced"),
            .problem(nil, .storage, message: "full", isResolved: false),
            .problem(subject, .targetDown, message: "", isResolved: true),
            .drift(subject, .backoff, .portInUse, message: "taken", isResolved: false),
            .drift(subject, .ready, nil, message: "", isResolved: true),
        ]
    }

    @Test("an instance event comes back with everything a client sees")
    func instanceEvent() async throws {
        let snapshot = try Self.snapshot()
        let events = [StreamEvent.Kind.create, .update, .delete].map { kind in
            RecordedEvent(time: Self.moment, .instance(kind, snapshot))
        }
        let saved = try open().save(events: events)
        let stored = try await open().events(after: 0, limit: 10)
        #expect(stored.map(\.content) == saved.map(\.content))
        #expect(stored.map(\.id) == [1, 2, 3])
        #expect(stored.map(\.time.timeIntervalSince1970) == saved.map(\.time.timeIntervalSince1970))
    }

    @Test("a notice comes back with everything it says", arguments: 0..<10)
    func notice(_ index: Int) async throws {
        let notice = Self.notices()[index]
        try open().save(events: [RecordedEvent(time: Self.moment, .notice(notice))])
        #expect(try await open().events(after: 0, limit: 10, in: .reconciler).map(\.content) == [.notice(notice)])
    }

    @Test("a log line and a shutdown are not stored, and take no number")
    func unnumbered() async throws {
        let line = RecordedEvent(time: epoch, .logLine(try Self.snapshot(), "hello"))
        let saved = try open().save(events: [line, RecordedEvent(time: epoch, .shutdown), try event(.update, "a")])
        #expect(saved.map(\.id) == [1])
    }

    @Test("a database whose events were JSON keeps everything else; its events are dropped, their numbers go on")
    func migration() async throws {
        let queue = try DatabaseQueue(path: directory.file("state.db"))
        try StateStore.migrator.migrate(queue, upTo: "4: events by instance")
        try await queue.write { database in
            for table in ["event", "reconcile_event"] {
                try database.execute(
                    sql: """
                        INSERT INTO \(table) (id, time, kind, instance_id, payload)
                        VALUES (41, '2026-01-01 00:00:00.000', 'update', 'abcd1234', '{}')
                        """
                )
            }
            try database.execute(sql: "INSERT INTO setting (name, value) VALUES ('api_key', 'k')")
        }
        try queue.close()
        let store = try open()
        #expect(try store.setting("api_key") == "k")
        for log in EventLog.allCases {
            #expect(try store.lastEventID(of: log) == 41)
            #expect(try store.eventBounds(of: log) == nil)
        }
        let notice = RecordedEvent(time: epoch, .notice(Self.notices()[0]))
        #expect(try store.save(events: [try event(.update, "abcd1234"), notice]).map(\.id) == [42, 42])
        let hub = try EventHub(store: store) { _ in "" }
        #expect(try !hub.subscribe(afterID: 40).isResumed)
        #expect(try hub.subscribe(afterID: 41).isResumed)
    }
}
