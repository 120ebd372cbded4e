import Foundation
import NIOCore
import NIOPosix
import TestSupport

/// The users of one lane: one who stays and talks all the time, and others who come, say something
/// and go.
///
/// They judge what happens to them by what the edits under way meanwhile may do; everything else is
/// a problem.
final class LiveUsers: Sendable {
    /// Bytes through the lane's tunnel since it was declared.
    struct Tally: Sendable {
        var sent = 0
        var received = 0
        /// Of connections that were cut: how much of it the tunnel saw, nobody knows.
        var uncertain = 0
    }

    struct State: Sendable {
        var lane: LiveLane
        /// What each edit of the lane so far may do; the last one is under way while `isChanging`.
        var edits: [LiveEffects] = []
        var isChanging = false
        /// Nobody comes in.
        var isPaused = false
        /// Grows when the one who stays has to leave; where the lane is open, another follows.
        var shift = 0
        /// The shift of the one who is there.
        var present: Int?
        /// Answers to those who stay.
        var echoes = 0
        var visitors = 0
        var visits = 0
        /// One for each time the lane was declared.
        var tallies = [Tally()]
        var isOver = false
        var problems: [String] = []
    }

    /// Somebody who comes in.
    private struct Visit: Sendable {
        let lane: LiveLane
        let shift: Int
        let life: Int
        /// The first edit that may be noticed.
        let firstEdit: Int
    }

    private let state: Awaited<State>
    private let number: Int
    private let isDatagrams: Bool
    /// What is said goes one after another, over all lanes.
    private let turnstile: Turnstile

    init(_ lane: LiveLane, _ turnstile: Turnstile) {
        state = Awaited(State(lane: lane))
        number = lane.number
        isDatagrams = lane.kind == .datagrams
        self.turnstile = turnstile
    }

    var current: State { state.current }

    // MARK: Their lives

    /// Those who stay, one after another.
    func stay(_ seed: UInt64) async {
        var random = SeededRandom(seed: seed)
        while let visit = await arrival({ state in state.present = state.shift }) {
            do {
                let user = try await enter(visit)
                while state.current.shift == visit.shift, !state.current.isOver {
                    let seed = random.next()
                    note(try await turnstile.pass(number) { try await user.exchange(seed) }, of: visit)
                    state.change { $0.echoes += 1 }
                }
                await user.leave()
            } catch {
                return judge(visit, allowing: [], "who stayed is cut off: \(error)")
            }
            state.change { $0.present = nil }
        }
    }

    /// Those who come and go.
    func visit(_ seed: UInt64) async {
        var random = SeededRandom(seed: seed)
        while let visit = await arrival({ state in state.visitors += 1 }) {
            let seed = random.next()
            do {
                try await turnstile.pass(number) {
                    let user = try await self.enter(visit)
                    self.note(try await user.exchange(seed), of: visit)
                    await user.leave()
                }
            } catch let error where error.isRefusal {
                judge(visit, allowing: .refuses, "is refused")
            } catch {
                state.change { $0.tallies[visit.life].uncertain += LiveUser.messageBytes.upperBound }
                judge(visit, allowing: [.cuts, .refuses], "is cut off: \(error)")
            }
            state.change { state in
                state.visitors -= 1
                state.visits += 1
            }
        }
    }

    /// Waits until somebody may come in; nil when it is over.
    private func arrival(_ body: @escaping @Sendable (inout State) -> Void) async -> Visit? {
        try? await state.wait(for: "a way in", limit: nil) { state -> Visit?? in
            if state.isOver { return .some(nil) }
            guard state.lane.isOpen, !state.isPaused else { return nil }
            body(&state)
            return Visit(
                lane: state.lane,
                shift: state.shift,
                life: state.tallies.count - 1,
                firstEdit: state.edits.count - (state.isChanging ? 1 : 0)
            )
        }
    }

    private func enter(_ visit: Visit) async throws -> LiveUser {
        let user = try await LiveUser.come(to: visit.lane)
        state.change { $0.tallies[visit.life].received += user.greeting.utf8.count }
        if !isDatagrams, user.greeting != LiveUser.greeting(of: visit.lane.server) {
            judge(visit, allowing: [.retargets, .refuses], "wants server \(visit.lane.server), not \(user.greeting)")
        }
        return user
    }

    private func note(_ bytes: Int, of visit: Visit) {
        state.change { state in
            state.tallies[visit.life].sent += bytes
            state.tallies[visit.life].received += bytes
        }
    }

    /// A problem, unless an edit of the lane since the visit began may do that.
    private func judge(_ visit: Visit, allowing effects: LiveEffects, _ what: String) {
        state.change { state in
            let possible = state.edits[visit.firstEdit...].reduce(into: LiveEffects()) { $0.formUnion($1) }
            guard possible.isDisjoint(with: effects) else { return }
            let lane = visit.lane
            state.problems.append("a user of \(lane.names[0]) (\(lane.kind), port \(lane.entry)) \(what)")
        }
    }

    // MARK: What an edit means for them

    /// An edit of the lane is about to be written.
    func brace(for effects: LiveEffects) async throws {
        await turnstile.prioritize(number)
        // A datagram session does not outlive its listener, and bytes that go to either lane cannot
        // be counted.
        let pausesAll = isDatagrams && effects.contains(.drains)
        if pausesAll || effects.contains(.handsOver) {
            state.change { state in
                state.isPaused = true
                if pausesAll { state.shift += 1 }
            }
            try await state.wait(for: "users to leave") { state in
                state.visitors == 0 && (state.present == nil || !pausesAll) ? true : nil
            }
        }
        state.change { state in
            state.edits.append(effects)
            state.isChanging = true
        }
    }

    /// Waits until the one who stays has an answer to something said from now on.
    func answer() async throws {
        let (present, echoes) = (current.present, current.echoes)
        guard present != nil else { return }
        // The next answer may be to something said before.
        try await state.wait(for: "an answer to the one who stays") { state in
            state.echoes >= echoes + 2 || !state.problems.isEmpty ? true : nil
        }
    }

    /// The edit has been applied: who stays is replaced where connections belong to the past now.
    func settle(_ lane: LiveLane, _ effects: LiveEffects) async throws {
        let (shift, echoes) = state.change { state in
            if lane.isDeclared, !state.lane.isDeclared { state.tallies.append(Tally()) }
            state.lane = lane
            state.isChanging = false
            state.isPaused = false
            if effects.contains(.drains), !isDatagrams { state.shift += 1 }
            return (lane.isOpen ? state.shift : nil, state.echoes)
        }
        try await state.wait(for: "the next one who stays") { state in
            let isThere = state.present == shift && (shift == nil || state.echoes > echoes)
            return isThere || !state.problems.isEmpty ? true : nil
        }
        await turnstile.endPriority(number)
    }

    /// Everybody leaves.
    func end() {
        state.change { $0.isOver = true }
    }
}

extension Error {
    /// Nobody listened there.
    fileprivate var isRefusal: Bool {
        let causes = (self as? NIOConnectionError)?.connectionErrors.map(\.error) ?? [self]
        return causes.contains { ($0 as? IOError)?.errnoCode == ECONNREFUSED }
    }
}
