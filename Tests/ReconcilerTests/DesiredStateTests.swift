import Config
import FoundationEssentials
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("Desired state")
struct DesiredStateTests {
    let context = MutationContext(by: "10.0.0.9")

    /// A state with the tunnels `web` and `db` declared.
    func declared(policy: String = "") throws -> DesiredState {
        var state = DesiredState()
        _ = state.declare(manifest(["web": client(9001), "db": client(9002)], policy: policy), now: epoch)
        try #require(state.ordered.map(\.name) == ["db", "web"])
        return state
    }

    @Test("the same manifest twice changes nothing")
    func settled() throws {
        var state = try declared()
        let again = state.declare(manifest(["web": client(9001), "db": client(9002)]), now: epoch)
        #expect(again.changed.isEmpty)
    }

    @Test("an id comes from the name, and moves aside for another instance")
    func ids() throws {
        let free = DesiredState().id(forName: "web")
        #expect(free.count == 8)
        let taken = DesiredState(records: [try apiRecord(free, url: clientURL(9001))])
        #expect(taken.id(forName: "web") != free)
        #expect(taken.id(forName: "web") == taken.id(forName: "web"))
    }

    @Test("a list has declared tunnels by name, then created ones by id")
    func ordering() throws {
        var state = try declared()
        for id in ["ffffffff", "00000000"] { state.put(try apiRecord(id, url: clientURL(9100))) }
        #expect(state.ordered.map { $0.name ?? $0.id } == ["db", "web", "00000000", "ffffffff"])
    }

    @Test("an override wins, and an edit of another tunnel leaves it alone")
    func overrideStands() throws {
        var state = try declared()
        let id = try #require(state.named("web")?.id)
        try state.patch(id, InstancePatch(alias: "mine", action: .stop))
        _ = state.declare(manifest(["web": client(9001), "db": client(9003)]), now: epoch)
        let web = try #require(state.named("web"))
        #expect(!web.shouldRun)
        #expect(web.labels.alias == "mine")
        #expect(web.override?.by == "test")
    }

    @Test("git wins on edit: a changed declaration ends its override")
    func gitWins() throws {
        var state = try declared()
        let id = try #require(state.named("web")?.id)
        try state.patch(id, InstancePatch(action: .stop))
        let outcome = state.declare(manifest(["web": client(9005), "db": client(9002)]), now: epoch)
        #expect(outcome.overtaken == [id])
        #expect(state.named("web")?.shouldRun == true)
        #expect(state.named("web")?.id == id)
    }

    @Test("an override that says what the declaration says is none")
    func overrideCancelsOut() throws {
        var state = try declared()
        let id = try #require(state.named("web")?.id)
        try state.patch(id, InstancePatch(action: .stop))
        try state.patch(id, InstancePatch(action: .start))
        #expect(state.named("web")?.override == nil)
    }

    @Test("an override expires at its time and not before")
    func expiry() throws {
        var state = try declared(policy: "policy: {overrideTTL: 1h}\n")
        let id = try #require(state.named("web")?.id)
        try state.patch(id, InstancePatch(action: .stop), MutationContext(by: "x", ttl: .seconds(60)))
        #expect(state.nextExpiry == epoch.addingTimeInterval(60))
        #expect(state.expireOverrides(now: epoch.addingTimeInterval(59)).isEmpty)
        #expect(state.expireOverrides(now: epoch.addingTimeInterval(60)).map(\.id) == [id])
        #expect(state.named("web")?.shouldRun == true)
        try state.patch(id, InstancePatch(action: .stop))
        #expect(state.nextExpiry == epoch.addingTimeInterval(3600))
    }

    @Test("a deleted declaration stays away until it is edited or released")
    func deletion() throws {
        var state = try declared()
        let id = try #require(state.named("web")?.id)
        state.put(try state.deleted(id, context, now: epoch))
        _ = state.declare(manifest(["web": client(9001), "db": client(9002)]), now: epoch)
        #expect(state.named("web") == nil)
        #expect(throws: MutationError.notFound) {
            try state.patched(id, InstancePatch(), context, isFailing: false, now: epoch)
        }
        var released = state
        released.put(try released.released(id, context))
        #expect(released.named("web")?.id == id)
        _ = state.declare(manifest(["web": client(9008), "db": client(9002)]), now: epoch)
        #expect(state.named("web")?.id == id)
    }

    @Test("with overrides denied a mutation names the place that owns the tunnel, a release does not")
    func denied() throws {
        let state = try declared(policy: "policy: {overrides: deny}\n")
        let web = try #require(state.named("web"))
        #expect(throws: MutationError.denied(web.source)) {
            try state.patched(web.id, InstancePatch(action: .stop), context, isFailing: false, now: epoch)
        }
        #expect(throws: MutationError.denied(web.source)) { try state.deleted(web.id, context, now: epoch) }
        #expect(web.source?.file == "tunnels.yaml")
        #expect(try state.released(web.id, context).id == web.id)
        #expect(throws: MutationError.stale) {
            try state.released(web.id, MutationContext(by: "x", ifMatch: "old"))
        }
    }

    @Test("an invalid declaration keeps its last good form while others are applied")
    func lastGood() throws {
        var state = try declared()
        let broken = reading(
            "version: 1\ntunnels:\n  web: {role: client, tunnel: nonsense}\n  db: {\(client(9004))}\n"
        )
        try #require(broken.invalid.keys.sorted() == ["web"])
        #expect(state.declare(broken, now: epoch).invalid == ["web"])
        #expect(state.named("web")?.spec.tunnel.port == 9001)
        #expect(state.named("db")?.spec.tunnel.port == 9004)
    }

    @Test("a rejected manifest changes nothing", arguments: ["", "tunnels: ["])
    func rejected(_ text: String) throws {
        var state = try declared()
        let before = state.ordered
        let bad = reading(text)
        try #require(bad.manifest == nil)
        #expect(state.declare(bad, now: epoch).changed.isEmpty)
        #expect(state.ordered == before)
    }

    @Test("an explicitly empty manifest prunes; without pruning the tunnels live on as API instances")
    func pruning() throws {
        var pruned = try declared()
        #expect(pruned.declare(manifest([:]), now: epoch).pruned.count == 2)
        #expect(pruned.ordered.isEmpty)

        var kept = try declared()
        let id = try #require(kept.named("web")?.id)
        try kept.patch(id, InstancePatch(action: .stop))
        #expect(kept.declare(manifest([:], policy: "policy: {prune: false}\n"), now: epoch).orphaned.count == 2)
        let web = try #require(kept.named("web"))
        #expect(web.origin == .api)
        #expect(!web.shouldRun)
        #expect(web.override == nil)
        #expect(kept.declare(manifest(["web": client(9001)]), now: epoch).adopted == [id])
        #expect(kept.named("web")?.origin == .manifest)
    }

    @Test("a tunnel that leaves and comes back before it is gone is the same one")
    func revival() throws {
        var state = try declared()
        let id = try #require(state.named("web")?.id)
        _ = state.declare(manifest(["db": client(9002)]), now: epoch)
        #expect(state.named("web") == nil)
        _ = state.declare(manifest(["web": client(9001), "db": client(9002)]), now: epoch)
        #expect(state.named("web")?.id == id)
    }

    @Test("a tunnel that leaves takes its override with it, even one that deleted it", arguments: [true, false])
    func departingOverride(_ isDeleted: Bool) throws {
        var state = try declared()
        let id = try #require(state.named("web")?.id)
        if isDeleted {
            state.put(try state.deleted(id, context, now: epoch))
        } else {
            try state.patch(id, InstancePatch(action: .stop))
        }
        _ = state.declare(manifest(["db": client(9002)]), now: epoch)
        _ = state.declare(manifest(["web": client(9001), "db": client(9002)]), now: epoch)
        #expect(state.named("web")?.shouldRun == true)
        #expect(state.named("web")?.override == nil)
    }

    @Test("a declaration adopts the instance with its name as alias or id", arguments: ["web", "abcd1234"])
    func adoption(_ name: String) throws {
        var record = try apiRecord("abcd1234", url: clientURL(9001), alias: "web")
        record.traffic = Traffic(tcpRx: 7)
        var state = DesiredState(records: [record])
        #expect(state.declare(manifest([:]), now: epoch).pruned.isEmpty)
        let declaring = reading("version: 1\ntunnels:\n  \"\(name)\": {\(client(9001))}\n")
        #expect(state.declare(declaring, now: epoch).adopted == ["abcd1234"])
        #expect(state.ordered.map(\.id) == ["abcd1234"])
        #expect(state.records["abcd1234"]?.traffic.tcpRx == 7)
    }

    @Test("of two instances with its name as alias a declaration adopts the older one")
    func adoptsTheOlder() throws {
        var younger = try apiRecord("00000001", url: clientURL(9001), alias: "web")
        younger.createdAt = epoch + 1
        let older = try apiRecord("00000002", url: clientURL(9002), alias: "web")
        var state = DesiredState(records: [younger, older])
        #expect(state.declare(manifest(["web": client(9001), "db": client(9003)]), now: epoch).adopted == ["00000002"])
        #expect(state.records["00000001"]?.origin == .api)
        #expect(state.declare(manifest(["web": client(9001), "db": client(9003)]), now: epoch).changed.isEmpty)
    }

    @Test("an instance that one declaration has adopted by its id is not another's by its alias")
    func adoptsOnce() throws {
        let record = try apiRecord("abcd1234", url: clientURL(9001), alias: "web")
        var state = DesiredState(records: [record])
        let both = reading("version: 1\ntunnels:\n  abcd1234: {\(client(9001))}\n  web: {\(client(9002))}\n")
        #expect(state.declare(both, now: epoch).adopted == ["abcd1234"])
        #expect(state.ordered.map(\.name) == ["abcd1234", "web"])
    }

    @Test("created URLs keep their bytes and inherit from the master at their end")
    func inheritance() throws {
        let defaults = MasterDefaults(log: .debug, tls: 1)
        let given = "server://k@:7001/127.0.0.1:80?zzz=1&mode=2"
        var random = SeededRandom(seed: 1)
        let tunnel = try CheckedTunnel(url: given, inheriting: defaults.parameters)
        let record = try DesiredState().created(
            CreateRequest(tunnel: tunnel, by: "test"),
            now: epoch,
            using: &random
        )
        #expect(record.url == given + "&log=debug&tls=1")
        #expect(record.spec == (try spec(record.url)))
        #expect(record.spec.log == .debug && record.spec.tls == .selfSigned)
        let own = "client://:1/a:2?log=info"
        #expect(try CheckedTunnel(url: own, inheriting: defaults.parameters).url == own)
    }

    @Test("one bad part of a patch refuses all of it; a stale tag and the same URL are refused too")
    func wholePatch() throws {
        let state = DesiredState(records: [try apiRecord("abcd1234", url: clientURL(9001))])
        let long = String(repeating: "x", count: 257)
        let patch = InstancePatch(alias: long, action: .stop)
        let message = "Instance alias exceeds maximum length 256"
        #expect(throws: MutationError.invalid(message: message, code: "too-long")) {
            try state.patched("abcd1234", patch, context, isFailing: false, now: epoch)
        }
        #expect(throws: MutationError.stale) {
            try state.deleted("abcd1234", MutationContext(by: "x", ifMatch: "old"), now: epoch)
        }
        #expect(throws: MutationError.conflict("Instance URL conflict")) {
            try state.replaced("abcd1234", by: CheckedTunnel(url: clientURL(9001)), context, now: epoch)
        }
    }

    @Test("start tries a failed tunnel again and leaves a healthy one alone", arguments: [true, false])
    func start(_ isFailing: Bool) throws {
        let state = DesiredState(records: [try apiRecord("abcd1234", url: clientURL(9001))])
        let patch = InstancePatch(action: .start)
        let record = try state.patched("abcd1234", patch, context, isFailing: isFailing, now: epoch)
        #expect(record.generation == (isFailing ? 1 : 0))
    }

    @Test("without the restart flag a tunnel stays stopped when the daemon starts")
    func noAutostart() throws {
        var record = try apiRecord("abcd1234", url: clientURL(9001))
        record.autostart = false
        var state = DesiredState(records: [record, try apiRecord("abcd1235", url: clientURL(9002))])
        #expect(state.daemonStarted().map(\.id) == ["abcd1234"])
        #expect(state.ordered.map(\.shouldRun) == [false, true])
    }
}
