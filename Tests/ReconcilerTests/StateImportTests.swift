import Config
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("Importing a NodePass master's state")
struct StateImportTests {
    private func row(
        _ id: InstanceID,
        _ url: String,
        _ change: (inout NodePassState.Row) -> Void = { _ in }
    ) -> NodePassState.Row {
        var row = NodePassState.Row(id: id)
        row.url = url
        change(&row)
        return row
    }

    private func imported(
        _ rows: [NodePassState.Row],
        key: NodePassState.Row? = nil,
        into existing: StoredInstances = StoredInstances()
    ) throws(StateImportError) -> StateImport {
        try StateImport(NodePassState(instances: rows, key: key), into: existing, now: epoch)
    }

    @Test("a master's file becomes records with their ids, labels, counters and keys")
    func master() throws {
        let state = try NodePassState(bytes: GobFiles.master)
        #expect(state.instances.map(\.id) == ["00000001", "00000002", "00000003", "a1b2c3d4"])
        let result = try StateImport(state, into: StoredInstances(), now: epoch)
        #expect(result.records.map(\.id) == ["00000001", "00000002", "a1b2c3d4"])
        let web = try #require(result.records.last)
        #expect(web.url == "server://s3cret@127.0.0.1:21101/127.0.0.1:21102?log=info&mode=1&tls=0")
        #expect(web.spec == (try spec(web.url)))
        #expect(web.labels.alias == "Web" && web.labels.tags == ["env": "prod"])
        #expect(web.labels.peer == PeerLabel(sid: "svc-1", type: "1", alias: "Home"))
        #expect(web.traffic == Traffic(tcpRx: 387, tcpTx: 1 << 63 + 5, udpRx: 300, udpTx: 70000))
        #expect(web.origin == .api && web.autostart && web.running && !web.announced)
        #expect(!web.revision.isEmpty && web.createdAt == epoch)
        // Stopped, as a master that was stopped leaves it, and to be started again with the next one.
        #expect(result.records[0].autostart && result.records[0].running)
        #expect(!result.records[1].autostart && !result.records[1].running)
        #expect(result.identity?.apiKey == GobFiles.masterKey && result.identity?.masterID == GobFiles.masterID)
        #expect(result.identity?.masterAlias == "Edge München")
    }

    @Test("an instance that can not be run is left out with its reason, and no line shows a key")
    func leftOut() throws {
        let result = try StateImport(try NodePassState(bytes: GobFiles.master), into: StoredInstances(), now: epoch)
        let broken = try #require(result.lines.first { $0.id == "00000003" })
        guard case .leftOut(let why) = broken.outcome else {
            Issue.record("it was not left out")
            return
        }
        #expect(why.contains("has no port"))
        #expect(broken.url == "client://••••••@127.0.0.1/nowhere")
        #expect(!result.lines.contains { "\($0)".contains("s3cret") || "\($0)".contains("t0psecret") })
        let strange = try imported([row("nothex!!", clientURL(9001)), row("0123", clientURL(9001))])
        #expect(strange.records.isEmpty)
        #expect(strange.lines.allSatisfy { $0.outcome == .leftOut(why: "its id is not 8 hex digits") })
    }

    @Test("a file of a later version is read as far as it says the same")
    func later() throws {
        let result = try StateImport(try NodePassState(bytes: GobFiles.later), into: StoredInstances(), now: epoch)
        #expect(result.records.map(\.id) == ["0000000a"])
        #expect(result.records.first?.labels == TunnelLabels(alias: "from tomorrow", tags: ["k": "v"]))
        #expect(result.records.first?.traffic.tcpRx == 17)
        #expect(result.identity == nil && result.identityNote == "the file holds no API key")
    }

    @Test("a gob of something else, and what is no gob, are refused in words")
    func foreign() {
        #expect(throws: StateImportError.foreign("it holds a list, not instances by id")) {
            try NodePassState(bytes: GobFiles.foreign)
        }
        let text = #expect(throws: StateImportError.self) { try NodePassState(bytes: Array("{}".utf8)) }
        let problem = "it is damaged or no gob: byte 0: a message is longer than what is left of the file"
        #expect(text?.description == problem)
    }

    @Test("labels that are too long are left away, the rest is kept")
    func labels() throws {
        let long = String(repeating: "x", count: 300)
        let result = try imported([
            row("00000001", clientURL(9001)) { row in
                row.alias = long
                row.tags = ["a": "b"]
                row.peer.sid = long
            }
        ])
        #expect(result.records.first?.labels == TunnelLabels(tags: ["a": "b"]))
        #expect(result.lines.first?.notes.count == 2)
    }

    @Test("what is here already and equal is passed over, what differs refuses everything")
    func conflicts() throws {
        let rows = [
            row("00000001", clientURL(9001)), row("00000002", clientURL(9002)), row("00000003", clientURL(9003)),
        ]
        var existing = StoredInstances()
        existing.records = try imported(Array(rows.prefix(2))).records
        existing.records[0].traffic = Traffic(tcpRx: 5, tcpTx: 5, udpRx: 0, udpTx: 0)
        existing.records[0].announced = true
        let again = try imported(rows, into: existing)
        #expect(again.lines.map(\.outcome) == [.present, .present, .imported])
        #expect(again.records.map(\.id) == ["00000003"])

        existing.records[0].url = clientURL(9009)
        existing.records[1].origin = .manifest
        existing.unusable["00000003"] = "its URL does not read"
        #expect(throws: StateImportError.conflicts(["00000001", "00000002", "00000003"])) {
            try imported(rows, into: existing)
        }
    }

    @Test("more instances than a daemon accepts are refused")
    func tooMany() throws {
        let rows = (0...DesiredState.instanceLimit).map { number in
            row(String(repeating: "0", count: 8 - "\(number)".count) + "\(number)", clientURL(9001))
        }
        #expect(throws: StateImportError.tooMany(limit: DesiredState.instanceLimit)) { try imported(rows) }
        #expect(try imported(Array(rows.dropLast())).records.count == DesiredState.instanceLimit)
    }

    @Test(
        "a key that no client could send is not taken over",
        arguments: ["", "short", "0123456789ABCDEF0123456789abcdef"]
    )
    func badKey(key: String) throws {
        let result = try imported([], key: row("********", key))
        #expect(result.identity == nil && result.identityNote == "the file's API key is not 32 hex digits")
    }

    @Test("an import is stored whole, and the daemon that starts on it is the master that was")
    func stored() throws {
        let directory = try TemporaryDirectory()
        let result = try StateImport(try NodePassState(bytes: GobFiles.master), into: StoredInstances(), now: epoch)
        do {
            let store = try StateStore.open(directory: directory.path, now: epoch)
            try store.save(result)
            #expect(try store.instances().records == result.records)
        }
        let store = try StateStore.open(directory: directory.path, now: epoch)
        let identity = try DaemonIdentity(store: store)
        #expect(identity.apiKey == GobFiles.masterKey && !identity.wasKeyCreated)
        #expect(identity.masterID == GobFiles.masterID && identity.masterAlias == "Edge München")
        #expect(
            try StateImport(try NodePassState(bytes: GobFiles.master), into: store.instances(), now: epoch).records
                .isEmpty
        )
    }
}
