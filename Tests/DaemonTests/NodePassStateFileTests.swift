import Config
import FoundationEssentials
import Reconciler
import TestSupport
import Testing
import Tunnel

@testable import nodepass

@Suite("The state file of a NodePass master")
struct NodePassStateFileTests {
    private let epoch = Date(timeIntervalSince1970: 1_795_000_000)

    @Test("a master's file becomes records with their ids, labels, counters and keys")
    func master() throws {
        let state = try NodePassStateFile.read(GobFiles.master)
        #expect(state.instances.map(\.id) == ["00000001", "00000002", "00000003", "a1b2c3d4"])
        let result = try StateImport(state, into: StoredInstances(), now: epoch)
        #expect(result.records.map(\.id) == ["00000001", "00000002", "a1b2c3d4"])
        let web = try #require(result.records.last)
        #expect(web.url == "server://s3cret@127.0.0.1:21101/127.0.0.1:21102?log=info&mode=1&tls=0")
        #expect(web.spec == (try TunnelURL.parse(web.url).spec))
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

    @Test("an instance that cannot be run is left out with its reason, and no line shows a key")
    func skipped() throws {
        let result = try StateImport(try NodePassStateFile.read(GobFiles.master), into: StoredInstances(), now: epoch)
        let broken = try #require(result.lines.first { $0.id == "00000003" })
        guard case .skipped(let why) = broken.outcome else {
            Issue.record("it was not left out")
            return
        }
        #expect(why.contains("has no port"))
        #expect(broken.url == "client://••••••@127.0.0.1/nowhere")
        #expect(!result.lines.contains { "\($0)".contains("s3cret") || "\($0)".contains("t0psecret") })
    }

    @Test("a file of a later version is read as far as it says the same")
    func later() throws {
        let result = try StateImport(try NodePassStateFile.read(GobFiles.later), into: StoredInstances(), now: epoch)
        #expect(result.records.map(\.id) == ["0000000a"])
        #expect(result.records.first?.labels == TunnelLabels(alias: "from tomorrow", tags: ["k": "v"]))
        #expect(result.records.first?.traffic.tcpRx == 17)
        #expect(result.identity == nil && result.identityNote == "the file holds no API key")
    }

    @Test("a gob of something else, and what is not a gob, are refused in words")
    func foreign() {
        #expect(throws: NodePassStateError.foreign("it holds a list, not instances by id")) {
            try NodePassStateFile.read(GobFiles.foreign)
        }
        let text = #expect(throws: NodePassStateError.self) { try NodePassStateFile.read(Array("{}".utf8)) }
        let problem = "it is damaged or not a gob: byte 0: a message is longer than what is left of the file"
        #expect(text?.description == problem)
    }

    @Test("an import is stored whole, and the daemon that starts on it is the master that was")
    func stored() throws {
        let directory = try TemporaryDirectory()
        let result = try StateImport(try NodePassStateFile.read(GobFiles.master), into: StoredInstances(), now: epoch)
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
            try StateImport(try NodePassStateFile.read(GobFiles.master), into: store.instances(), now: epoch).records
                .isEmpty
        )
    }
}
