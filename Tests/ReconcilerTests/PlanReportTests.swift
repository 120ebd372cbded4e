import Config
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("Plan report")
struct PlanReportTests {
    /// A world that runs a manifest on a fake host.
    struct World {
        var state = DesiredState()
        let host = FakeHost()

        init(_ reading: ManifestReading, created: [InstanceRecord] = []) async {
            created.forEach { state.put($0) }
            _ = state.declare(reading, now: epoch)
            await run()
        }

        /// Has the host run what is desired.
        func run() async {
            await ReconcilePlan(desired: Array(state.desired.values), actual: host.snapshot()).apply(to: host)
        }

        func report(_ reading: ManifestReading) -> PlanReport {
            let after = state.declaring(reading, prune: true, now: epoch)
            return PlanReport(from: state.desired, to: after, actual: host.snapshot())
        }

        func id(_ name: String) -> InstanceID { state.named(name)?.id ?? "" }
    }

    func words(_ report: PlanReport) -> [String] {
        report.steps.map { step in
            let changes = step.changes.map { " \($0.path) \($0.old) → \($0.new)" }.joined(separator: ",")
            return "\(step.action.rawValue) \(step.name)\(changes)"
        }
    }

    @Test(
        "an edit shows as its action with the fields that change",
        arguments: [
            (client(9001), client(9001), [String]()),
            (client(9001), client(9001, "alias: Web"), ["meta web alias web → Web"]),
            (client(9001), client(9001, "drain: 1s"), ["live web drain 30s → 1s"]),
            (client(9001), client(9001, "protocols: [tcp]"), ["session web protocols [tcp, udp] → [tcp]"]),
            (client(9001), client(9002), ["rebind web tunnel 127.0.0.1:9001 → 127.0.0.1:9002"]),
            (client(9001), client(9001, "state: stopped"), ["stop web state running → stopped"]),
            (client(9001, "state: stopped"), client(9001), ["start web state stopped → running"]),
            (
                client(9001, "state: stopped"), client(9002, "state: stopped"),
                [
                    "meta web tunnel 127.0.0.1:9001 → 127.0.0.1:9002"
                ]
            ),
            (client(9001, "key: old-secret"), client(9001, "key: new-secret"), ["session web key •••••• → ••••••"]),
        ]
    )
    func edits(before: String, after: String, expected: [String]) async {
        let world = await World(manifest(["web": before]))
        let report = world.report(manifest(["web": after]))
        #expect(words(report) == expected)
        #expect(report.hasChanges == !expected.isEmpty)
        #expect(report.unchanged == (expected.isEmpty ? 1 : 0))
    }

    @Test("what is new is created, what has left is deleted, also when it was stopped")
    func createAndDelete() async {
        let world = await World(manifest(["old": client(9001), "rest": client(9002, "state: stopped")]))
        let report = world.report(manifest(["new": client(9001)]))
        #expect(words(report) == ["create new", "delete old", "delete rest"])
        #expect(report.steps.first?.route == "client://127.0.0.1:9001 → 10.0.0.7:80")
        #expect(report.steps.first?.source?.line == 3)
    }

    @Test(
        "connections are kept, drained or cut as the change asks",
        arguments: [
            (client(9001, "limits: {rate: 1}"), PlanReport.Connections.Effect.keep, 30),
            (client(9001, "protocols: [udp]"), .drain, 30),
            (client(9002), .drain, 30),
            (client(9002, "drain: 0s"), .cut, 0),
            (client(9001, "state: stopped"), .drain, 30),
        ]
    )
    func connections(after: String, effect: PlanReport.Connections.Effect, seconds: Int) async {
        let world = await World(manifest(["web": client(9001)]))
        world.host.hold(3, for: world.id("web"))
        let connections = world.report(manifest(["web": after])).steps.first?.connections
        #expect(connections?.count == 3)
        #expect(connections?.effect == effect)
        #expect(connections?.limit == .seconds(seconds))
    }

    @Test("two tunnels that swap ports are one step each")
    func swap() async {
        let world = await World(manifest(["a": client(9001), "b": client(9002)]))
        let report = world.report(manifest(["a": client(9002), "b": client(9001)]))
        #expect(report.steps.map(\.action) == [.rebind, .rebind])
        #expect(report.conflicts.isEmpty)
    }

    @Test("tunnels that want one address are a conflict, whoever declared them")
    func conflicts() async throws {
        let api = try apiRecord("abcd1234", url: "client://0.0.0.0:9001/10.0.0.7:80?mode=1&noudp=1")
        let world = await World(manifest([:]), created: [api])
        let report = world.report(manifest(["web": client(9001)]))
        #expect(report.conflicts.map(\.names) == [["web", "abcd1234"]])
        #expect(report.conflicts.first?.transport == .tcp)
    }

    @Test("a client in mode auto at an address of this machine is in a conflict there, as lint says too")
    func automaticConflict() async {
        let automatic = client(9001).replacing("single", with: "auto")
        let both = manifest(["auto": automatic, "web": client(9001)])
        #expect(both.diagnostics.map(\.code) == ["address-shared"])
        let report = await World(manifest([:])).report(both)
        #expect(report.conflicts.map(\.names) == [["auto", "web"], ["auto", "web"]])
    }

    @Test(
        "lint and plan agree about two tunnels with the same addresses, in every role and mode",
        arguments: ["server", "client"].flatMap { role in
            (0...2).flatMap { mode in
                ["127.0.0.1:9001", "0.0.0.0:9001", "10.0.0.1:9001", "edge.example.com:9001"].flatMap { tunnel in
                    ["", "notcp=1", "noudp=1", "type=1"].map {
                        "url: '\(role)://k@\(tunnel)/127.0.0.1:9002?mode=\(mode)&\($0)'"
                    }
                }
            }
        }
    )
    func agreement(keys: String) async throws {
        let both = manifest(["a": keys, "b": keys])
        let spec = try #require(both.manifest?["a"]).spec
        let report = await World(manifest([:])).report(both)
        let conflicts = report.conflicts.map { "\($0.transport) \($0.address)" }
        #expect(Set(conflicts) == Set(spec.certainAddresses.map { "\($0.transport) \($0.endpoint)" }))
        let warned = both.diagnostics.filter { $0.code == "address-shared" }.map(\.path)
        #expect(Set(warned) == Set(spec.certainSockets.map { "tunnels.b." + $0.path }))
    }

    @Test("an override shows with what it says and what the manifest says; it is no change")
    func overridden() async throws {
        var world = await World(manifest(["web": client(9001), "db": client(9002), "old": client(9003)]))
        try world.state.patch(world.id("web"), InstancePatch(action: .stop))
        let url = clientURL(9002, "mode=1&rate=5")
        world.state.put(
            try world.state.replaced(
                world.id("db"),
                by: CheckedTunnel(url: url),
                MutationContext(by: "10.0.0.1"),
                now: epoch
            )
        )
        world.state.put(try world.state.deleted(world.id("old"), MutationContext(by: "test"), now: epoch))
        await world.run()
        let same = manifest(["web": client(9001), "db": client(9002), "old": client(9003)])
        let report = world.report(same)
        #expect(!report.hasChanges)
        // Each tunnel is counted once.
        #expect(report.unchanged == 0)
        #expect(
            report.overridden.map { "\($0.name) \($0.present) | \($0.declared)" } == [
                "db limits.rate 5Mbps | 0", "old deleted | running", "web stopped | running",
            ]
        )
        // Git wins on edit: the override of the tunnel that is edited ends, the others stay.
        let edited = manifest(["web": client(9001, "alias: x"), "db": client(9002), "old": client(9003)])
        let next = world.report(edited)
        #expect(words(next) == ["start web alias web → x, state stopped → running"])
        #expect(next.overridden.map(\.name) == ["db", "old"])
    }

    @Test("taking over an API instance that already is as declared is no change")
    func adopt() async throws {
        let api = try apiRecord("abcd1234", url: clientURL(9001))
        let world = await World(manifest([:]), created: [api])
        let report = world.report(manifest(["abcd1234": client(9001)]))
        #expect(words(report) == ["adopt abcd1234"])
        #expect(!report.hasChanges)
        #expect(
            words(world.report(manifest(["abcd1234": client(9001, "drain: 1s")]))) == [
                "adopt abcd1234 drain 30s → 1s"
            ]
        )
    }

    @Test("an adoption that changes the tunnel is an adoption, with each changed field and its class")
    func adoptAndChange() async throws {
        let api = try apiRecord("abcd1234", url: clientURL(9001), alias: "web")
        let world = await World(manifest([:]), created: [api])
        world.host.hold(2, for: "abcd1234")
        let report = world.report(manifest(["web": client(9002, "drain: 1s")]))
        let step = try #require(report.steps.first)
        #expect(report.steps.count == 1 && report.hasChanges)
        #expect(step.action == .adopt && step.id == "abcd1234" && step.alias == "web" && step.name == "web")
        #expect(
            step.changes.map { "\($0.class.rawValue) \($0.path)" } == ["rebind tunnel", "live drain"]
        )
        #expect(step.connections?.effect == .drain && step.connections?.limit == .seconds(1))
    }

    @Test("an API instance has its alias beside its id, also when it is deleted; a declared tunnel has its name")
    func aliases() async throws {
        var world = await World(manifest(["db": client(9002)]))
        world.state.put(try apiRecord("abcd1234", url: clientURL(9001), alias: "mine"))
        let created = PlanReport(from: [:], to: world.state, actual: [:])
        #expect(created.steps.map(\.name) == ["db", "abcd1234"])
        #expect(created.steps.map(\.alias) == [nil, "mine"])
        let deleted = PlanReport(from: world.state.desired, to: DesiredState(), actual: [:])
        #expect(deleted.steps.map(\.alias) == [nil, "mine"])
    }

    @Test("a plan shows nothing that came from a reference")
    func secrets() async {
        let reader = ManifestReader(
            environment: ["T": "db.internal:5432", "U": "other.internal:1"],
            workingDirectory: "/"
        )
        func read(_ name: String) -> ManifestReading {
            let keys = "role: client, mode: single, tunnel: \"127.0.0.1:1\", target: \"${env:\(name)}\""
            return reader.read(text: "version: 1\ntunnels: {web: {\(keys)}}", file: "t.yaml")
        }
        let world = await World(read("T"))
        for report in [world.report(read("U")), await World(manifest([:])).report(read("T"))] {
            #expect(report.steps.count == 1)
            #expect(!"\(report.steps)".contains("internal:"))
        }
    }

    @Test("an export has what is declared, and overrides as comments; one of the live state has what they made of it")
    func exportedOverrides() async throws {
        var world = await World(manifest(["old": client(9002), "web": client(9001)]))
        let context = MutationContext(by: "anna (local CLI)", note: "INC-42", ttl: .seconds(1800))
        for name in ["old", "web"] {
            let id = try #require(world.state.named(name)?.id)
            if name == "old" {
                world.state.put(try world.state.deleted(id, context, now: epoch))
            } else {
                try world.state.patch(id, InstancePatch(action: .stop), context)
            }
        }
        let declared = world.state.export(now: epoch)
        #expect(declared.contains("  old:\n") && !declared.contains("state: stopped"))
        #expect(declared.contains("by anna (local CLI) (INC-42), until"))
        #expect(declared.contains("it is stopped, which is not written here"))
        let live = world.state.export(live: true, now: epoch)
        #expect(!live.contains("  old:\n") && live.contains("state: stopped"))
    }

    @Test("planning an export changes nothing, whatever was declared, created and overridden", arguments: 0..<60)
    func export(_ seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        var tunnels = ""
        for index in 0..<Int.random(in: 0...6, using: &random) {
            let more = ["", ", limits: {rate: 5}", ", state: stopped", ", alias: \"A: b\"", ", drain: 5s"]
            tunnels += "  t\(index): {\(client(9000 + index))\(more.randomElement(using: &random) ?? "")}\n"
        }
        let text = "version: 1\ndefaults: {log: warn}\n" + (tunnels.isEmpty ? "tunnels: {}" : "tunnels:\n\(tunnels)")
        let queries = ["mode=1", "mode=1&zz=1", "mode=1&rate=7", "mode=1&max=4", "mode=2&min=3", "mode=1&notcp=1"]
        let aliases = ["", "mine", "t0", "No name!", "mine", "abcd0001"]
        let created = try (0..<Int.random(in: 0...6, using: &random)).map { index in
            var record = try apiRecord(
                "abcd000\(index)",
                url: clientURL(9100 + index, queries.randomElement(using: &random) ?? ""),
                alias: aliases.randomElement(using: &random) ?? ""
            )
            record.running = Bool.random(using: &random)
            return record
        }
        var world = await World(reading(text), created: created)
        for instance in world.state.ordered where Bool.random(using: &random) {
            let context = MutationContext(by: "test")
            switch Int.random(in: 0..<4, using: &random) {
            case 0: try world.state.patch(instance.id, InstancePatch(action: .stop, tags: ["a": "b"]))
            case 1: try world.state.patch(instance.id, InstancePatch(alias: "other \(instance.id)"))
            case 2: world.state.put(try world.state.deleted(instance.id, context, now: epoch))
            default:
                let url = clientURL(9200 + Int.random(in: 0..<99, using: &random), "mode=1&slot=9")
                world.state.put(
                    try world.state.replaced(instance.id, by: CheckedTunnel(url: url), context, now: epoch)
                )
            }
        }
        await world.run()
        for live in [false, true] {
            let export = world.state.export(live: live, now: epoch)
            let report = world.report(reading(export))
            #expect(!report.hasChanges, "seed \(seed)\n\(export)\n\(words(report))")
            #expect(report.plan.isEmpty)
        }
    }
}
