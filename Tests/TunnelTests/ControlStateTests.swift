import Config
import NIOCore
import Testing

@testable import Tunnel

@Suite("What the control link's signals and silences make an end do")
struct ControlStateTests {
    typealias Effect = ControlState.Effect

    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    static let link = LinkID(0x26bb_d201)

    private func state(_ isEntry: Bool = true, _ verification: ControlState.Verification = .none) -> ControlState {
        ControlState(isEntry: isEntry, verification: verification, reportInterval: .seconds(5), now: start)
    }

    /// Why it failed, when that is all it did.
    private func failure(_ effects: [Effect]) -> TunnelReason? {
        guard effects.count == 1, case .fail(let error) = effects[0] else { return nil }
        return error.reason
    }

    // MARK: Health

    @Test("a ping goes out at the start and with each beat")
    func pings() {
        var state = state()
        #expect(state.start(now: start) == [.send(.ping)])
        for beat in 1...20 as ClosedRange<Int64> {
            let now = start + .seconds(5 * beat)
            #expect(state.received(.pong, now: now - .seconds(1)).count == 1)
            #expect(state.beat(idle: 4, now: now) == [.send(.ping)])
        }
    }

    @Test("a ping is answered, on either side", arguments: [true, false])
    func pong(_ isEntry: Bool) {
        var state = state(isEntry)
        #expect(state.received(.ping, now: start) == [.send(.pong)])
        #expect(state.received(.ping, now: start) == [.send(.pong)])
    }

    @Test("a pong tells the round trip of the last ping, once")
    func roundTrip() {
        var state = state()
        #expect(state.received(.pong, now: start).isEmpty)
        _ = state.start(now: start)
        #expect(state.received(.pong, now: start + .milliseconds(42)) == [.roundTrip(.milliseconds(42))])
        #expect(state.received(.pong, now: start + .milliseconds(50)).isEmpty)
        _ = state.beat(idle: 0, now: start + .seconds(5))
        _ = state.beat(idle: 0, now: start + .seconds(10))
        #expect(state.received(.pong, now: start + .milliseconds(10_007)) == [.roundTrip(.milliseconds(7))])
    }

    @Test("a peer that is silent for three intervals is unreachable, and not before")
    func silence() {
        var state = state()
        _ = state.start(now: start)
        #expect(state.beat(idle: 1, now: start + .seconds(5)) == [.send(.ping)])
        #expect(state.beat(idle: 1, now: start + .seconds(15) - .nanoseconds(1)) == [.send(.ping)])
        let effects = state.beat(idle: 1, now: start + .milliseconds(15_040))
        #expect(effects == [.fail(TunnelError(.peerUnreachable, "the peer has been silent for 15.0 s"))])
    }

    @Test("the wait for the control link does not count as silence")
    func lateStart() {
        var state = state()
        #expect(state.start(now: start + .seconds(60)) == [.send(.ping)])
        #expect(state.beat(idle: 1, now: start + .seconds(65)) == [.send(.ping)])
    }

    static let signals: [Signal] = [
        .ping, .pong, .flush, .open(.tcp, id: link, user: "u"), .verify(id: link, fingerprint: "f"),
        .refuse(id: link, why: "w"), .trim(count: 1), .unknown(action: "x"),
    ]

    @Test("any signal counts as a sign of life", arguments: signals)
    func signsOfLife(_ signal: Signal) {
        var state = state()
        _ = state.received(signal, now: start + .seconds(14))
        #expect(state.beat(idle: 9, now: start + .seconds(28)) == [.send(.ping)])
        #expect(failure(state.beat(idle: 9, now: start + .seconds(29))) == .peerUnreachable)
    }

    @Test("even a line that says nothing is a sign of life")
    func garbageIsLife() {
        var state = state()
        #expect(state.receivedGarbage(now: start + .seconds(14)).isEmpty)
        #expect(state.beat(idle: 9, now: start + .seconds(28)) == [.send(.ping)])
    }

    @Test("garbage in a row ends it after 32 lines; a good line in between starts the count over")
    func garbage() {
        var state = state()
        for round in 0..<3 {
            for line in 1...32 { #expect(state.receivedGarbage(now: start).isEmpty, "round \(round), line \(line)") }
            if round < 2 { #expect(state.received(.unknown(action: "x"), now: start).isEmpty) }
        }
        #expect(failure(state.receivedGarbage(now: start)) == .peerUnreachable)
    }

    // MARK: Doubt

    /// A client of a server of ours.
    private func watchful() -> ControlState {
        ControlState(
            isEntry: false,
            verification: .none,
            reportInterval: .seconds(5),
            isWatchful: true,
            now: start
        )
    }

    private static let pulse = TimeAmount(TunnelLimits.controlPulse)

    @Test("a ping without an answer for a second is a doubt, once, and anything heard ends it", arguments: signals)
    func doubt(_ sign: Signal) {
        var state = watchful()
        #expect(state.start(now: start) == [.send(.ping), .pulse(after: Self.pulse)])
        #expect(state.pulse(now: start + Self.pulse) == [.doubt])
        // The next beat asks again, and the doubt is not news any more.
        #expect(state.beat(idle: 9, now: start + .seconds(5)) == [.send(.ping), .pulse(after: Self.pulse)])
        #expect(state.pulse(now: start + .seconds(6)).isEmpty)
        let heard = state.received(sign, now: start + .seconds(7))
        #expect(heard.first == .trust)
        #expect(!state.received(sign, now: start + .seconds(7)).contains(.trust))
    }

    @Test("an idle session asks with each beat, one with users each second, and no peer of another kind is asked")
    func pulses() {
        var state = watchful()
        _ = state.start(now: start)
        _ = state.received(.pong, now: start + .milliseconds(20))
        #expect(state.pulse(now: start + Self.pulse).isEmpty)
        var now = start + .seconds(2)
        #expect(state.noteUser(now: now) == [.pulse(after: Self.pulse)])
        // However many users come, one pulse is under way.
        #expect(state.noteUser(now: now).isEmpty)
        let hold = Int(TunnelLimits.controlPulseHold.components.seconds)
        for second in 1..<hold {
            now = start + .seconds(2 + Int64(second))
            #expect(state.pulse(now: now) == [.send(.ping), .pulse(after: Self.pulse)], "second \(second)")
            _ = state.received(.pong, now: now + .milliseconds(20))
        }
        #expect(state.pulse(now: start + .seconds(2 + Int64(hold))).isEmpty)
        var other = self.state()
        #expect(other.noteUser(now: start).isEmpty)
        #expect(other.start(now: start) == [.send(.ping)])
    }

    @Test("a pulse that comes soon after a ping gives the answer its second")
    func youngQuestion() {
        var state = watchful()
        _ = state.start(now: start)
        _ = state.received(.pong, now: start + .milliseconds(20))
        #expect(state.beat(idle: 9, now: start + .milliseconds(900)) == [.send(.ping)])
        #expect(state.pulse(now: start + Self.pulse) == [.pulse(after: .milliseconds(900))])
        #expect(state.pulse(now: start + .milliseconds(1900)) == [.doubt])
    }

    // MARK: Flush

    struct Missing: Sendable, CustomTestStringConvertible {
        let missed: Int
        let idle: Int
        let flushes: Bool
        var testDescription: String { "\(missed) missed, \(idle) idle → \(flushes ? "flush" : "ping")" }
    }

    @Test(
        "more missing links than half of the idle ones, rounded down, make it flush",
        arguments: [
            Missing(missed: 0, idle: 0, flushes: false), Missing(missed: 1, idle: 0, flushes: true),
            Missing(missed: 1, idle: 1, flushes: true), Missing(missed: 1, idle: 2, flushes: false),
            Missing(missed: 1, idle: 3, flushes: false), Missing(missed: 2, idle: 3, flushes: true),
            Missing(missed: 2, idle: 4, flushes: false), Missing(missed: 32, idle: 64, flushes: false),
            Missing(missed: 33, idle: 64, flushes: true), Missing(missed: 33, idle: 65, flushes: true),
            Missing(missed: 33, idle: 66, flushes: false),
        ]
    )
    func flushRule(_ example: Missing) {
        var state = state(false)
        for _ in 0..<example.missed { state.missedLink() }
        let flush: [Effect] = [.send(.flush), .closeIdleLinks]
        #expect(state.beat(idle: example.idle, now: start) == (example.flushes ? flush : [.send(.ping)]))
        // After a flush the count is zero; without one it stays.
        let isForgotten = example.flushes || example.missed == 0
        #expect(state.beat(idle: 0, now: start) == (isForgotten ? [.send(.ping)] : flush))
    }

    @Test("the peer's flush closes the idle links and resets the count")
    func flushReceived() {
        var state = state(false)
        for _ in 0..<9 { state.missedLink() }
        #expect(state.received(.flush, now: start) == [.closeIdleLinks])
        #expect(state.beat(idle: 0, now: start) == [.send(.ping)])
    }

    @Test("a silent peer is given up rather than asked to flush")
    func silenceBeforeFlush() {
        var state = state(false)
        for _ in 0..<9 { state.missedLink() }
        #expect(failure(state.beat(idle: 0, now: start + .seconds(15))) == .peerUnreachable)
    }

    // MARK: Who does what

    struct Duty: Sendable, CustomTestStringConvertible {
        let signal: Signal
        let onEntry: [Effect]
        let onExit: [Effect]
        var testDescription: String { signal.json }
    }

    @Test(
        "an exit serves links, an entry hears what the exit can not; neither does the other's work",
        arguments: [
            Duty(
                signal: .open(.tcp, id: link, user: "192.0.2.1:5"),
                onEntry: [],
                onExit: [.dialTarget(.tcp, id: link, user: "192.0.2.1:5")]
            ),
            Duty(signal: .open(.udp, id: link, user: ""), onEntry: [], onExit: [.dialTarget(.udp, id: link, user: "")]),
            Duty(signal: .refuse(id: link, why: "no"), onEntry: [.refused(id: link, why: "no")], onExit: []),
            Duty(signal: .trim(count: 3), onEntry: [.trim(count: 3)], onExit: []),
            Duty(signal: .trim(count: 0), onEntry: [], onExit: []),
            Duty(signal: .trim(count: -3), onEntry: [], onExit: []),
            Duty(signal: .unknown(action: "teleport"), onEntry: [], onExit: []),
        ]
    )
    func duties(_ duty: Duty) {
        var entry = state(true)
        var exit = state(false)
        #expect(entry.received(duty.signal, now: start) == duty.onEntry)
        #expect(exit.received(duty.signal, now: start) == duty.onExit)
    }

    // MARK: Verify

    enum Outcome: Sendable {
        /// Not even looked at.
        case ignored
        /// Looked at, with no consequence.
        case accepted
        case opened
        case failed
    }

    struct Gate: Sendable, CustomTestStringConvertible {
        let verification: ControlState.Verification
        let isEntry: Bool
        /// What the peer says; nil when its `verify` has no fingerprint.
        let said: String?
        /// What the named link really has; nil when it was never seen.
        let own: String?
        let outcome: Outcome
        var testDescription: String {
            "\(verification), \(isEntry ? "entry" : "exit"), said \(said ?? "nothing"), own \(own ?? "unknown")"
        }
    }

    /// Every combination; the outcome as NodePass and its quirks ask for it.
    static let gates: [Gate] = [true, false].flatMap { isEntry in
        [ControlState.Verification.none, .mutual, .byAuthority].flatMap { verification in
            [nil, "A"].flatMap { said in
                [nil, "A", "B"].map { own in
                    let outcome: Outcome =
                        switch (verification, said, own) {
                        case (.none, _, _): .ignored
                        case (.mutual, nil, _): .failed
                        case (.byAuthority, nil, _): .ignored
                        case (.mutual, _, nil): .failed
                        case (.byAuthority, _, nil): .accepted
                        case (_, let said?, let own?) where said != own: .failed
                        case (.mutual, _, _): isEntry ? .opened : .accepted
                        case (.byAuthority, _, _): .accepted
                        }
                    return Gate(verification: verification, isEntry: isEntry, said: said, own: own, outcome: outcome)
                }
            }
        }
    }

    @Test("users come in when the peer has seen the right certificate, and a wrong one ends it", arguments: gates)
    func gate(_ gate: Gate) {
        var state = state(gate.isEntry, gate.verification)
        #expect(state.isGateOpen == (gate.verification != .mutual))
        var effects = state.received(.verify(id: Self.link, fingerprint: gate.said), now: start)
        if effects == [.compare(id: Self.link, fingerprint: "A")] {
            #expect(gate.said != nil && gate.outcome != .ignored)
            #expect(state.isGateOpen == (gate.verification != .mutual))
            effects = state.verified("A", against: gate.own)
        } else {
            #expect(gate.said == nil || gate.verification == .none)
        }
        switch gate.outcome {
        case .ignored, .accepted: #expect(effects.isEmpty)
        case .opened: #expect(effects == [.openGate])
        case .failed: #expect(failure(effects) == .tlsFingerprintMismatch)
        }
        #expect(state.isGateOpen == (gate.verification != .mutual || [.opened, .accepted].contains(gate.outcome)))
    }

    @Test("the gate opens once, and a wrong certificate afterwards still ends it")
    func laterVerify() {
        var state = state(true, .mutual)
        #expect(state.verified("A", against: "A") == [.openGate])
        #expect(state.verified("A", against: "A").isEmpty)
        #expect(failure(state.verified("A", against: "B")) == .tlsFingerprintMismatch)
    }

    @Test("a mismatch names both certificates")
    func mismatchText() throws {
        var state = state(true, .mutual)
        guard case .fail(let error) = try #require(state.verified("sha256:AA", against: "sha256:BB").first) else {
            Issue.record("no failure")
            return
        }
        #expect(error.message.contains("sha256:AA") && error.message.contains("sha256:BB"))
    }

    @Test("our own verify is due once, from the start", arguments: [true, false])
    func ownVerify(_ isEntry: Bool) {
        var state = state(isEntry, .mutual)
        #expect(state.owesVerify)
        #expect(state.takeOwnVerify() == true)
        _ = state.received(.verify(id: Self.link, fingerprint: "A"), now: start)
        #expect(!state.owesVerify)
        #expect(state.takeOwnVerify() == false)
    }

    @Test("without TLS no verify is ever due")
    func noVerify() {
        var state = state(true, .none)
        _ = state.received(.verify(id: Self.link, fingerprint: "A"), now: start)
        #expect(!state.owesVerify)
        #expect(state.takeOwnVerify() == false)
    }

    @Test("where the authority vouches, ours is due only to a server that compares after all, once")
    func verifyByAuthority() {
        var state = state(true, .byAuthority)
        #expect(state.takeOwnVerify() == false)
        _ = state.received(.verify(id: Self.link, fingerprint: nil), now: start)
        #expect(state.takeOwnVerify() == false)
        for isFirst in [true, false] {
            _ = state.received(.verify(id: Self.link, fingerprint: "A"), now: start)
            #expect(state.owesVerify == isFirst)
            #expect(state.takeOwnVerify() == isFirst)
        }
    }

    @Test(
        "the peer's pick is awaited only from a server that takes it while users are served, and until it has come",
        arguments: [ControlState.Verification.none, .mutual, .byAuthority]
    )
    func peersPick(_ verification: ControlState.Verification) {
        var state = state(true, verification)
        #expect(state.awaitsPeersPick == (verification == .byAuthority))
        _ = state.received(.ping, now: start)
        #expect(state.awaitsPeersPick == (verification == .byAuthority))
        _ = state.received(.verify(id: Self.link, fingerprint: nil), now: start)
        #expect(!state.awaitsPeersPick)
    }
}
