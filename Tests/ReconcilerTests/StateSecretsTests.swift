import Config
import FoundationEssentials
import GRDB
import Synchronization
import TestSupport
import Testing
import Tunnel

@testable import Reconciler

@Suite("A replaced key does not stay in the state")
struct StateSecretsTests {
    let directory: TemporaryDirectory
    let store: StateStore

    init() throws {
        directory = try TemporaryDirectory()
        store = try StateStore.open(directory: directory.file("state"), now: epoch)
    }

    private func url(_ key: String, port: Int = 9001) -> String {
        "server://\(key)@127.0.0.1:\(port)/127.0.0.1:80?mode=1"
    }

    private func update(
        _ id: InstanceID,
        _ url: String,
        _ kind: StreamEvent.Kind = .update
    ) throws -> RecordedEvent {
        try update(of: try apiRecord(id, url: url), kind)
    }

    private func update(of record: InstanceRecord, _ kind: StreamEvent.Kind = .update) throws -> RecordedEvent {
        let desired = try #require(DesiredInstance(record))
        return RecordedEvent(
            time: epoch,
            .instance(kind, InstanceSnapshot(desired.instance(status: nil, traffic: Traffic())))
        )
    }

    /// The files of the state that hold this text.
    private func files(with text: String) throws -> [String] {
        let state = directory.file("state")
        return try FileManager.default.contentsOfDirectory(atPath: state).filter { name in
            let bytes = FileManager.default.contents(atPath: "\(state)/\(name)") ?? Data()
            return bytes.firstRange(of: Data(text.utf8)) != nil
        }
    }

    private func urls() async throws -> [String] {
        try await store.events(after: 0, limit: 1000).compactMap { event in
            guard case .instance(_, let instance) = event.content else { return nil }
            return instance.url
        }
    }

    @Test("a new key: the old one is in no file, its events are there with a mask, those of others as they were")
    func replaced() async throws {
        let other = try apiRecord("0000abcd", url: url("k3y-of-another", port: 9002))
        var record = try apiRecord("abcd1234", url: url("k3y-of-before"))
        let events = try [update(record.id, record.url), update(other.id, other.url)]
        let saved = try store.save([record, other], events: Array(repeating: events, count: 20).flatMap(\.self))
        #expect(!(try files(with: "k3y-of-before")).isEmpty)
        record.url = url("k3y-of-now")
        record.spec = try spec(record.url)
        try store.save([record], events: [update(record.id, record.url)])
        #expect(try files(with: "k3y-of-before") == [])
        #expect(try await store.events(after: 0, limit: 1000).map(\.id) == saved.map(\.id) + [41])
        let urls = try await urls()
        #expect(urls.count { $0.contains("k3y-of-another") } == 20)
        #expect(urls.count { $0.contains("://\(Secret.mask)@127.0.0.1:9001/") } == 20)
        #expect(urls.last?.contains("k3y-of-now") == true)
    }

    @Test("the key of a tunnel that is deleted goes with it, out of its last event too")
    func deleted() async throws {
        let record = try apiRecord("abcd1234", url: url("k3y-of-before"))
        try store.save([record], events: [update(record.id, record.url)])
        let last = try store.save(removing: [record.id], events: [update(record.id, record.url, .delete)])
        // Who listens now is told what NodePass tells.
        guard case .instance(_, let shown)? = last.first?.content else {
            Issue.record("no event")
            return
        }
        #expect(shown.url.contains("k3y-of-before"))
        #expect(try files(with: "k3y-of-before") == [])
        #expect(try await urls().count == 2)
    }

    @Test("the key of an override goes when that ends, and the declared one stays")
    func released() async throws {
        var record = try apiRecord("abcd1234", url: url("k3y-declared"))
        var override = Override(since: epoch, until: nil, by: "test", revision: "r1")
        override.url = url("k3y-of-an-override")
        record.override = override
        record.overrideSpec = Shared(wrappedValue: try spec(url("k3y-of-an-override")))
        let events = try [update(record.id, record.url), update(record.id, url("k3y-of-an-override"))]
        try store.save([record], events: events + [try update(of: record)])
        try store.save([record.withoutOverride])
        #expect(try files(with: "k3y-of-an-override") == [])
        #expect(try await urls().first?.contains("k3y-declared") == true)
    }

    @Test("what changes no key masks nothing")
    func unchanged() async throws {
        var record = try apiRecord("abcd1234", url: url("k3y-of-now"))
        try store.save([record], events: [update(record.id, record.url)])
        let before = try await urls()
        record.labels.alias = "new"
        record.url = url("k3y-of-now", port: 9009)
        record.spec = try spec(record.url)
        try store.save([record])
        #expect(try await urls() == before)
    }

    @Test("an API key that was replaced is in no file")
    func apiKey() throws {
        let identity = try DaemonIdentity(store: store)
        let before = identity.apiKey
        let after = try identity.rotateKey()
        #expect(try files(with: before) == [])
        #expect(!(try files(with: after)).isEmpty)
    }

    @Test("while somebody reads the log keeps it, without a wait; the next minute's folding empties it")
    func read() async throws {
        let identity = try DaemonIdentity(store: store)
        let before = identity.apiKey
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let reader = try DatabaseQueue(path: directory.file("state/state.db"), configuration: configuration)
        try await reader.writeWithoutTransaction { database in
            try database.execute(sql: "BEGIN")
            _ = try Int.fetchOne(database, sql: "SELECT count(*) FROM setting")
        }
        try identity.rotateKey()
        let owes = store.owesScrub.load(ordering: .relaxed)
        #expect(owes)
        try await reader.writeWithoutTransaction { try $0.execute(sql: "COMMIT") }
        try await store.foldHistory(upTo: 0)
        #expect(try files(with: before) == [])
    }

    @Test(
        "keys are found where a URL is, however it is escaped",
        arguments: [
            (#"{"url":"client://k@h:1/t:2"}"#, #"{"url":"client://••••••@h:1/t:2"}"#),
            (#"{"url":"client://a\\\"b@h:1/t:2","z":"@"}"#, #"{"url":"client://••••••@h:1/t:2","z":"@"}"#),
            (#"{"url":"client://h:1/t:2"}"#, #"{"url":"client://h:1/t:2"}"#),
            (#"{"url":"client://kept@h:1/t:2"}"#, #"{"url":"client://kept@h:1/t:2"}"#),
            (#"{"url":"client://k\u0026m@h:1/t:2"}"#, #"{"url":"client://k\u0026m@h:1/t:2"}"#),
            (#"{"alias":"\"url\":\"client://k@h\""}"#, #"{"alias":"\"url\":\"client://k@h\""}"#),
            (#"{"url":"client:\/\/k@h:1\/t:2"}"#, #"{"url":"client://••••••@h:1/t:2"}"#),
            (#"{"url":"client:\/\/kept@h:1\/t:2"}"#, #"{"url":"client:\/\/kept@h:1\/t:2"}"#),
            (#"{"url":"client://k@h"#, #"{"url":"client://••••••@h"#),
            (#"{"url":"client://k@h\"#, #"{"url":"client://••••••@h\\"#),
        ]
    )
    func texts(_ payload: String, _ masked: String) {
        #expect(EventText.maskingKeys(in: payload, except: ["kept", "k&m"]) == masked)
    }
}
