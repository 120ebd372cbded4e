import Config
import FoundationEssentials
import Synchronization
import TestSupport
import Testing
import Tunnel

@testable import Reconciler

@Suite("What runs and does not serve", .timeLimit(.minutes(1)))
struct ProblemTests {
    static let single = "client://127.0.0.1:9001/10.0.0.7:80,10.0.0.8:80?mode=1"
    static let server = "server://0.0.0.0:7000/127.0.0.1:8000?mode=1"

    /// An instance of this URL whose engine reports these steps, each a second after the one before.
    static func instance(
        _ url: String,
        _ steps: [(TunnelPhase, TunnelReason?)],
        _ change: (inout TunnelStatus) -> Void = { _ in }
    ) throws -> Instance {
        let desired = try #require(DesiredInstance(try apiRecord("abcd1234", url: url, alias: "web")))
        let transitions = steps.enumerated().map { index, step in
            PhaseTransition(
                sequence: index,
                phase: step.0,
                reason: step.1,
                message: step.1 == nil ? "" : "why",
                time: epoch + Double(index)
            )
        }
        var status = TunnelStatus(spec: desired.spec, generation: 0, transitions: transitions)
        change(&status)
        return desired.instance(status: status, traffic: Traffic())
    }

    static func kinds(_ instance: Instance, after seconds: Double) -> [Problem.Kind] {
        Problem.all(of: instance, now: epoch + seconds).map(\.kind)
    }

    @Test("a phase that fails, or a peer with another key, is a problem at once; a peer that is away after a while")
    func phases() throws {
        #expect(try Self.kinds(Self.instance(Self.single, [(.ready, nil)]), after: 100) == [])
        #expect(try Self.kinds(Self.instance(Self.single, [(.backoff, .portInUse)]), after: 1) == [.failing])
        let lost = try Self.instance(Self.server, [(.ready, nil), (.connecting, .peerUnreachable)])
        #expect(Self.kinds(lost, after: 30) == [])
        #expect(Self.kinds(lost, after: 31) == [.peerMissing])
        let wrongKey = try Self.instance(Self.server, [(.connecting, nil), (.connecting, .authFailed)])
        #expect(Self.kinds(wrongKey, after: 1) == [.peerMissing])
        #expect(Problem.all(of: wrongKey, now: epoch + 30).first?.remedy == "compare `key` at both ends")
        #expect(Problem.all(of: wrongKey, now: epoch + 30).first?.since == epoch)
        let standby = try Self.instance(Self.server, [(.connecting, .standby)])
        #expect(Self.kinds(standby, after: 1_000) == [])
    }

    @Test("a client whose server is away has a missing peer, not two problems")
    func clientWithoutServer() throws {
        let client = try Self.instance("client://127.0.0.1:7000/127.0.0.1:80?mode=2", [(.backoff, .peerUnreachable)])
        #expect(Self.kinds(client, after: 29) == [])
        #expect(Self.kinds(client, after: 30) == [.peerMissing])
    }

    @Test("a target is down after failures in a row, urgent where there is no other one, and up after a success")
    func targets() throws {
        var first = TargetHealth(target: try Endpoint("10.0.0.7:80"))
        var second = TargetHealth(target: try Endpoint("10.0.0.8:80"))
        second.reached(at: epoch)
        func problems() throws -> [Problem] {
            let instance = try Self.instance(Self.single, [(.ready, nil)]) { $0.targets = [first, second] }
            return Problem.all(of: instance, now: epoch)
        }
        for count in 1...TargetHealth.downAfter {
            #expect(try problems().isEmpty)
            first.failed(.refused, "Connection refused", at: epoch + Double(count))
        }
        let one = try problems()
        #expect(one.map(\.kind) == [.targetDown] && one.first?.isUrgent == false && one.first?.since == epoch + 1)
        #expect(one.first?.address == "10.0.0.7:80" && one.first?.text.contains("Connection refused") == true)
        for _ in 0..<3 { second.failed(.timeout, "no answer in time", at: epoch) }
        #expect(try problems().map(\.isUrgent) == [true, true])
        first.reached(at: epoch)
        second.reached(at: epoch)
        #expect(try problems().isEmpty)
        #expect(first.totals == [.refused: 3] && second.totals == [.timeout: 3])
    }

    @Test("a target that came from a reference is masked in every text of its problem")
    func secretTarget() throws {
        var health = TargetHealth(target: try Endpoint("hidden.example:80"))
        for _ in 0..<3 { health.failed(.name, "hidden.example: no address", at: epoch) }
        var record = try apiRecord("abcd1234", url: "client://127.0.0.1:9001/hidden.example:80?mode=1")
        record.secretPaths = ["key", "target"]
        let desired = try #require(DesiredInstance(record))
        let step = PhaseTransition(sequence: 0, phase: .ready, reason: nil, message: "", time: epoch)
        var status = TunnelStatus(spec: desired.spec, generation: 0, transitions: [step])
        status.targets = [health]
        let problem = try #require(
            Problem.all(of: desired.instance(status: status, traffic: Traffic()), now: epoch).first
        )
        #expect(!"\(problem)".contains("hidden.example"))
    }

    @Test("a certificate in its last two weeks is a problem, urgent once it has expired")
    func certificates() throws {
        for (days, urgency) in [(15.0, nil), (13, false), (-1, true)] as [(Double, Bool?)] {
            let certificate = CertificateSummary(
                subject: "CN=x",
                notBefore: epoch,
                notAfter: epoch + days * 86_400,
                fingerprint: "",
                path: "/x.pem"
            )
            let instance = try Self.instance(Self.server, [(.ready, nil)]) { $0.certificate = certificate }
            #expect(Problem.all(of: instance, now: epoch).map(\.isUrgent) == [urgency].compactMap(\.self), "\(days)")
        }
    }

    @Test(
        "an invalid declaration says which line and why, on the running tunnel and as an event, and ends when corrected"
    )
    func invalid() async throws {
        let directory = try TemporaryDirectory()
        let lines = KeptLog.Lines()
        let daemon = try RunningReconciler(directory: directory, expectsManifest: true, logger: lines.logger)
        let notices = try daemon.reconciler.notices.subscribe()
        await daemon.reconciler.declare(manifest(["web": client(9001)]))
        _ = try await daemon.next(2, of: notices)
        await daemon.reconciler.declare(manifest(["web": client(9001, "limits: {rate: 500Kbps}")]))
        #expect(try await daemon.next(1, of: notices) == ["problem web invalid-declaration false"])
        let problems = await daemon.reconciler.problems()
        #expect(problems.map(\.kind) == [.invalidDeclaration])
        #expect(problems.first?.text.contains("tunnels.yaml:3:") == true && problems.first?.id != nil)
        let logged = lines.all.withLock { $0.filter { $0.contains("declaration invalid") } }
        #expect(logged.count == 1 && logged[0].contains("tunnels.yaml:3:"))
        await daemon.reconciler.declare(manifest(["web": client(9001)]))
        #expect(await daemon.reconciler.problems().isEmpty)
        daemon.wall.advance(by: 30)
        daemon.reconciler.wake()
        #expect(try await daemon.next(1, of: notices) == ["problem web invalid-declaration true"])
        try await daemon.stop()
    }

    @Test("an override of what a tunnel does is a problem after a day, also one that hides it; labels never are")
    func oldOverrides() async throws {
        let daemon = try RunningReconciler(directory: try TemporaryDirectory(), expectsManifest: true)
        let reconciler = daemon.reconciler
        await reconciler.declare(manifest(["db": client(9002), "mail": client(9003), "web": client(9001)]))
        try await daemon.settled()
        let ids = await reconciler.instances().map(\.id)
        let context = MutationContext(by: "anna (local CLI)", note: "INC-42")
        _ = try await reconciler.patch(ids[0], InstancePatch(action: .stop), context)
        _ = try await reconciler.patch(ids[1], InstancePatch(alias: "post"), context)
        try await reconciler.delete(ids[2], context)
        try await daemon.settled()
        daemon.wall.advance(by: 86_399)
        #expect(await reconciler.problems().isEmpty)
        daemon.wall.advance(by: 1)
        let problems = await reconciler.problems()
        #expect(
            problems.map(\.name) == ["db", "web"] && problems.allSatisfy { $0.kind == .oldOverride && !$0.isUrgent }
        )
        #expect(problems.map(\.text) == ["stop by anna (local CLI): INC-42", "delete by anna (local CLI): INC-42"])
        try await daemon.stop()
    }
}

@Suite("The events of problems")
struct ProblemWatchTests {
    static func problem(_ address: String, _ text: String = "down") -> Problem {
        var problem = Problem(.targetDown, id: "abcd1234", name: "web", text, remedy: "")
        problem.address = address
        return problem
    }

    @Test("one that comes and goes is one problem, whatever its words; its end counts after a while")
    func flapping() {
        var watch = ProblemWatch()
        #expect(watch.take([Self.problem("a")], now: epoch) == [.began(Self.problem("a"))])
        #expect(watch.take([], now: epoch + 29) == [])
        #expect(watch.take([Self.problem("a", "still")], now: epoch + 29.5) == [])
        #expect(watch.take([], now: epoch + 59) == [])
        #expect(watch.take([], now: epoch + 60) == [.ended(Self.problem("a", "still"))])
    }

    @Test("what has an event already gets no second one, and the number that is followed is bounded")
    func bounds() {
        var watch = ProblemWatch()
        #expect(watch.take([Problem(.failing, id: "a", name: "a", "", remedy: "")], now: epoch) == [])
        let many = (0..<ProblemWatch.limit + 5).map { Self.problem("\($0)") }
        #expect(watch.take(many, now: epoch).count == ProblemWatch.limit)
    }
}
