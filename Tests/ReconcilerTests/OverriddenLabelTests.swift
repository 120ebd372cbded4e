import Config
import FoundationEssentials
import Reconciler
import TestSupport
import Testing
import Tunnel

/// A label that REST sets on a declared tunnel, and that a manifest can set as well.
enum OverriddenLabel: String, CaseIterable, Sendable {
    case alias, tags, peer

    /// What REST sets.
    var patch: InstancePatch {
        switch self {
        case .alias: InstancePatch(alias: "from REST")
        case .tags: InstancePatch(tags: ["from": "REST"])
        case .peer: InstancePatch(peer: PeerLabel(sid: "s1", type: "2", alias: "from REST"))
        }
    }

    /// What the manifest sets, in the one form or the other.
    func yaml(_ value: String) -> String {
        switch self {
        case .alias: "alias: \(value)"
        case .tags: "tags: {from: \(value)}"
        case .peer: "peer: {alias: \(value)}"
        }
    }

    /// The value that shows.
    func shown(_ labels: TunnelLabels?) -> String? {
        switch self {
        case .alias: labels?.alias
        case .tags: labels?.tags["from"]
        case .peer: labels?.peer.alias
        }
    }

    var fromREST: String { self == .tags ? "REST" : "from REST" }
    var undeclared: String? {
        switch self {
        case .alias: "web"
        case .tags: nil
        case .peer: ""
        }
    }
}

@Suite("Labels that REST sets on a declared tunnel")
struct OverriddenLabelTests {
    /// A state in which REST has set the label and stopped the tunnel.
    func overridden(
        _ label: OverriddenLabel,
        _ more: String = "",
        ttl: Duration? = nil
    ) throws -> (state: DesiredState, id: InstanceID) {
        var state = DesiredState()
        _ = state.declare(manifest(["web": client(9001, more)]), now: epoch)
        let id = try #require(state.named("web")?.id)
        try state.patch(id, label.patch, MutationContext(by: "test", ttl: ttl))
        try #require(label.shown(state.named("web")?.labels) == label.fromREST)
        return (state, id)
    }

    @Test(
        "an edit of another field leaves them, and the tunnel is still overridden",
        arguments: OverriddenLabel.allCases
    )
    func otherField(_ label: OverriddenLabel) throws {
        for declared in ["", label.yaml("declared")] {
            var (state, _) = try overridden(label, declared)
            let edited = [declared, "drain: 5s"].filter { !$0.isEmpty }.joined(separator: ", ")
            for reading in [manifest(["web": client(9002, edited)]), manifest(["web": client(9003, edited)])] {
                #expect(state.declare(reading, now: epoch).overtaken.isEmpty)
            }
            let web = try #require(state.named("web"))
            #expect(label.shown(web.labels) == label.fromREST)
            #expect(web.spec.tunnel.port == 9003)
            #expect(web.override?.by == "test")
        }
    }

    @Test("an edit of another field ends the rest of an override alone", arguments: OverriddenLabel.allCases)
    func restOfOverride(_ label: OverriddenLabel) throws {
        var (state, id) = try overridden(label)
        try state.patch(id, InstancePatch(action: .stop))
        #expect(state.declare(manifest(["web": client(9002)]), now: epoch).overtaken == [id])
        let web = try #require(state.named("web"))
        #expect(web.shouldRun)
        #expect(label.shown(web.labels) == label.fromREST)
        #expect(web.override?.running == nil)
    }

    @Test("a manifest that adds or changes the key replaces them", arguments: OverriddenLabel.allCases)
    func sameField(_ label: OverriddenLabel) throws {
        for declared in ["", label.yaml("declared")] {
            var (state, id) = try overridden(label, declared)
            let outcome = state.declare(manifest(["web": client(9001, label.yaml("edited"))]), now: epoch)
            #expect(outcome.overtaken == [id])
            #expect(label.shown(state.named("web")?.labels) == "edited")
            // Of a peer the manifest sets one of three keys here.
            #expect(
                state.named("web")?.override?.peer
                    == (label == .peer ? PeerLabel(sid: "s1", type: "2", alias: "edited") : nil)
            )
        }
    }

    @Test("an alias is replaced by one that is the tunnel's name, when the manifest adds it")
    func aliasLikeName() throws {
        var (state, _) = try overridden(.alias)
        _ = state.declare(manifest(["web": client(9001, "alias: web")]), now: epoch)
        #expect(state.named("web")?.labels.alias == "web")
    }

    @Test("an empty value is one that the manifest sets")
    func emptyValue() throws {
        var (state, _) = try overridden(.tags, "tags: {from: declared}")
        _ = state.declare(manifest(["web": client(9001, "tags: {}")]), now: epoch)
        #expect(state.named("web")?.labels.tags == [:])
    }

    @Test("a manifest that no longer has the key says nothing of it: they stay", arguments: OverriddenLabel.allCases)
    func removal(_ label: OverriddenLabel) throws {
        var (state, id) = try overridden(label, label.yaml("declared"))
        #expect(state.declare(manifest(["web": client(9001)]), now: epoch).overtaken.isEmpty)
        #expect(label.shown(state.named("web")?.labels) == label.fromREST)
        state.put(try state.released(id, MutationContext(by: "test")))
        #expect(label.shown(state.named("web")?.labels) == label.undeclared)
    }

    @Test("a release ends them, also after an edit", arguments: OverriddenLabel.allCases)
    func release(_ label: OverriddenLabel) throws {
        var (state, id) = try overridden(label, label.yaml("declared"))
        _ = state.declare(manifest(["web": client(9002, label.yaml("declared"))]), now: epoch)
        state.put(try state.released(id, MutationContext(by: "test")))
        #expect(label.shown(state.named("web")?.labels) == "declared")
        #expect(state.named("web")?.override == nil)
    }

    @Test("they last over a restart, also where the file was edited meanwhile", arguments: OverriddenLabel.allCases)
    func restart(_ label: OverriddenLabel) throws {
        let (state, _) = try overridden(label, label.yaml("declared"))
        let directory = try TemporaryDirectory()
        let store = try StateStore.open(directory: directory.path, now: epoch)
        try store.save(Array(state.records.values))
        var restarted = DesiredState(records: try store.instances().records)
        #expect(label.shown(restarted.named("web")?.labels) == label.fromREST)
        _ = restarted.declare(manifest(["web": client(9002, label.yaml("declared"))]), now: epoch)
        #expect(label.shown(restarted.named("web")?.labels) == label.fromREST)
        _ = restarted.declare(manifest(["web": client(9002, label.yaml("edited"))]), now: epoch)
        #expect(label.shown(restarted.named("web")?.labels) == "edited")
    }

    @Test("they expire at their time, which an edit does not move", arguments: OverriddenLabel.allCases)
    func expiry(_ label: OverriddenLabel) throws {
        var (state, id) = try overridden(label, ttl: .seconds(60))
        _ = state.declare(manifest(["web": client(9002)]), now: epoch + 30)
        #expect(state.nextExpiry == epoch + 60)
        #expect(state.expireOverrides(now: epoch + 60).map(\.id) == [id])
        #expect(label.shown(state.named("web")?.labels) == label.undeclared)
    }

    @Test("a tunnel that leaves the manifest takes them with it", arguments: OverriddenLabel.allCases)
    func departure(_ label: OverriddenLabel) throws {
        var (state, _) = try overridden(label)
        _ = state.declare(manifest([:]), now: epoch)
        _ = state.declare(manifest(["web": client(9001)]), now: epoch)
        #expect(label.shown(state.named("web")?.labels) == label.undeclared)
    }

    @Test("they last when a stop that has an expiry ends", arguments: OverriddenLabel.allCases)
    func expiryOfState(_ label: OverriddenLabel) throws {
        var (state, id) = try overridden(label)
        try state.patch(id, InstancePatch(action: .stop), MutationContext(by: "test", ttl: .seconds(60)))
        #expect(state.expireOverrides(now: epoch + 60).map(\.id) == [id])
        #expect(state.named("web")?.shouldRun == true)
        #expect(label.shown(state.named("web")?.labels) == label.fromREST)
        #expect(state.nextExpiry == nil)
    }

    @Test("they leave the expiry of a stop as it is", arguments: OverriddenLabel.allCases)
    func labelsAfterTimedStop(_ label: OverriddenLabel) throws {
        var (state, id) = try declared()
        try state.patch(id, InstancePatch(action: .stop), MutationContext(by: "test", ttl: .seconds(60)))
        try state.patch(id, label.patch)
        #expect(state.nextExpiry == epoch + 60)
        #expect(throws: MutationError.self) {
            try state.patch(id, label.patch, MutationContext(by: "test", ttl: .seconds(5)))
        }
    }

    @Test("the expiry that the policy gives is not theirs", arguments: OverriddenLabel.allCases)
    func policyExpiry(_ label: OverriddenLabel) throws {
        var (state, id) = try declared(policy: "policy: {overrideTTL: 1h}\n")
        try state.patch(id, label.patch)
        #expect(state.nextExpiry == nil)
    }

    @Test(
        "a declaration that adopts an instance leaves the labels that it does not set",
        arguments: OverriddenLabel.allCases
    )
    func adoption(_ label: OverriddenLabel) throws {
        var record = try apiRecord("abcd1234", url: clientURL(9001), alias: "web")
        record.labels.tags = label.patch.tags ?? [:]
        record.labels.peer = label.patch.peer ?? PeerLabel()
        for (more, shown) in [("", label.shown(record.labels)), (label.yaml("declared"), "declared")] {
            var state = DesiredState(records: [record])
            let outcome = state.declare(manifest(["web": client(9001, more)]), now: epoch)
            #expect(outcome.adopted == ["abcd1234"] && outcome.overtaken.isEmpty)
            #expect(label.shown(state.named("web")?.labels) == shown)
            #expect(state.declare(manifest(["web": client(9001, more)]), now: epoch).changed.isEmpty)
        }
    }

    @Test("an expiry is refused where nothing would end")
    func noExpiry() throws {
        var (state, id) = try declared()
        let timed = MutationContext(by: "test", ttl: .seconds(60))
        for action in [InstancePatch.Action.reset, .restart] {
            #expect(throws: MutationError.self) { try state.patch(id, InstancePatch(action: action), timed) }
        }
        state.put(try apiRecord("abcd1234", url: clientURL(9009)))
        #expect(throws: MutationError.self) { try state.patch("abcd1234", InstancePatch(action: .stop), timed) }
        #expect(throws: MutationError.self) { try state.deleted("abcd1234", timed, now: epoch) }
    }

    private func declared(policy: String = "") throws -> (state: DesiredState, id: InstanceID) {
        var state = DesiredState()
        _ = state.declare(manifest(["web": client(9001)], policy: policy), now: epoch)
        return (state, try #require(state.named("web")?.id))
    }
}
