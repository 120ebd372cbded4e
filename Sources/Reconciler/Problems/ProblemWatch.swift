import FoundationEssentials
import Tunnel

/// Which problems have been reported, and when the end of one may be.
///
/// One that comes and goes is one problem: its end counts once it has been away for a while.
struct ProblemWatch: Sendable {
    /// How long a problem has to be away.
    static let calm: TimeInterval = 30
    /// Problems that are followed at once; more are in the lists, and have no event.
    static let limit = 1_000

    enum Change: Sendable, Hashable {
        case began(Problem)
        case ended(Problem)
    }

    private var known: [Problem.Identity: (problem: Problem, lastSeen: Date)] = [:]

    /// What has begun and ended since the last look.
    mutating func take(_ problems: [Problem], now: Date) -> [Change] {
        var changes: [Change] = []
        for problem in problems where !problem.kind.hasEventOfItsOwn {
            let isNew = known[problem.identity] == nil
            guard !isNew || known.count < Self.limit else { continue }
            known[problem.identity] = (problem, now)
            if isNew { changes.append(.began(problem)) }
        }
        let over = known.values.filter { now.timeIntervalSince($0.lastSeen) >= Self.calm }.map(\.problem)
        for problem in over.sorted(by: Problem.precedes) {
            known[problem.identity] = nil
            changes.append(.ended(problem))
        }
        return changes
    }
}
