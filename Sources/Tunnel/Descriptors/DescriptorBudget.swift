import NIOCore
import Synchronization

/// Counts the descriptors of all tunnels and grants more as its plan allows.
///
/// One for the process. A grant is three atomic operations and never overshoots.
package final class DescriptorBudget: Sendable {
    /// What there is to see of it; each figure is exact on its own.
    package struct Figures: Sendable, Hashable {
        /// What tunnels hold.
        package let taken: Int
        /// Users that got none, since the start.
        package let refused: Int
    }

    package let plan: DescriptorPlan
    private let taken = Atomic<Int>(0)
    private let holders = Atomic<Int>(0)
    private let refused = Atomic<Int>(0)
    private let burstTaken = Atomic<Int>(0)
    private let pace = Mutex(LinePace())

    package init(_ plan: DescriptorPlan) {
        self.plan = plan
    }

    package var figures: Figures {
        Figures(taken: taken.load(ordering: .relaxed), refused: refused.load(ordering: .relaxed))
    }

    /// How many connections a listener may accept in a row: one, or as many as the limit says while the burst lasts.
    func acceptBatch() -> AcceptBatch {
        let extra = TunnelLimits.acceptBatch - 1
        let taken = burstTaken.wrappingAdd(extra, ordering: .relaxed).newValue
        if taken <= plan.burst { return AcceptBatch(budget: self, extra: extra) }
        burstTaken.wrappingSubtract(extra, ordering: .relaxed)
        return AcceptBatch(budget: self, extra: 0)
    }

    fileprivate func giveBackBurst(_ count: Int) {
        burstTaken.wrappingSubtract(count, ordering: .relaxed)
    }

    /// Counts a user that got none.
    func countRefused() {
        refused.wrappingAdd(1, ordering: .relaxed)
    }

    /// Whether a log line about a want of descriptors may be written: first one a second, then fewer, of all tunnels
    /// together.
    func isLineDue(now: NIODeadline = .now()) -> Bool { pace.withLock { $0.isDue(now: now) } }

    /// Why users are refused.
    var shortage: String {
        let figures = figures
        return "file descriptors are scarce: tunnels hold \(figures.taken), users may fill \(plan.users) of"
            + " \(plan.limit); \(figures.refused) users refused so far in all tunnels"
    }

    fileprivate func take(_ count: Int, for purpose: DescriptorPlan.Purpose, of held: borrowing Atomic<Int>) -> Bool {
        let all = taken.wrappingAdd(count, ordering: .relaxed).oldValue
        let own = held.wrappingAdd(count, ordering: .relaxed).oldValue
        if own == 0 { holders.wrappingAdd(1, ordering: .relaxed) }
        let others = holders.load(ordering: .relaxed)
        if plan.admits(count, for: purpose, taken: all, held: own, holders: others) { return true }
        giveBack(count, of: held)
        return false
    }

    /// Charges another tunnel with what one holds, as far as its part allows.
    fileprivate func move(
        _ count: Int,
        from former: borrowing Atomic<Int>,
        to next: borrowing Atomic<Int>,
        for purpose: DescriptorPlan.Purpose
    ) -> Bool {
        let own = next.wrappingAdd(count, ordering: .relaxed).oldValue
        if own == 0 { holders.wrappingAdd(1, ordering: .relaxed) }
        let others = holders.load(ordering: .relaxed)
        let rest = taken.load(ordering: .relaxed) - count
        let isAdmitted = plan.admits(count, for: purpose, taken: rest, held: own, holders: others)
        let left =
            isAdmitted
            ? former.wrappingSubtract(count, ordering: .relaxed).newValue
            : next.wrappingSubtract(count, ordering: .relaxed).newValue
        if left == 0 { holders.wrappingSubtract(1, ordering: .relaxed) }
        return isAdmitted
    }

    fileprivate func giveBack(_ count: Int, of held: borrowing Atomic<Int>) {
        if held.wrappingSubtract(count, ordering: .relaxed).newValue == 0 {
            holders.wrappingSubtract(1, ordering: .relaxed)
        }
        taken.wrappingSubtract(count, ordering: .relaxed)
    }
}

/// The descriptors of one tunnel.
final class TunnelDescriptors: Sendable {
    let budget: DescriptorBudget
    private let held = Atomic<Int>(0)

    init(_ budget: DescriptorBudget) {
        self.budget = budget
    }

    /// A place for one descriptor, or for several that go together; nil when there is none for this tunnel.
    func place(for purpose: DescriptorPlan.Purpose, count: Int = 1) -> DescriptorPlace? {
        budget.take(count, for: purpose, of: held) ? DescriptorPlace(self, count) : nil
    }

    /// Two places or none: a user who is let in is connected too.
    func userAndTarget() -> (user: DescriptorPlace, target: DescriptorPlace)? {
        budget.take(2, for: .target, of: held) ? (DescriptorPlace(self, 1), DescriptorPlace(self, 1)) : nil
    }

    fileprivate func giveBack(_ count: Int) {
        budget.giveBack(count, of: held)
    }

    fileprivate func move(_ count: Int, to other: TunnelDescriptors, for purpose: DescriptorPlan.Purpose) -> Bool {
        budget.move(count, from: held, to: other.held, for: purpose)
    }
}

/// There is none now; trying again later may help.
struct NoDescriptor: Error {}

/// The right to one open descriptor: for as long as the channel that it is kept for is open, or until nobody has it.
final class DescriptorPlace: Sendable {
    private let owner: Mutex<TunnelDescriptors>
    private let count: Int
    private let isHeld = Atomic<Bool>(true)

    fileprivate init(_ owner: TunnelDescriptors, _ count: Int) {
        self.owner = Mutex(owner)
        self.count = count
    }

    deinit {
        giveBack()
    }

    /// Keeps the place for as long as this channel is open.
    func keep(for channel: any Channel) {
        channel.closeFuture.whenComplete { _ in self.giveBack() }
    }

    /// Charges another tunnel with it; false where its part does not allow that.
    func move(to other: TunnelDescriptors, for purpose: DescriptorPlan.Purpose) -> Bool {
        owner.withLock { owner in
            guard owner !== other, isHeld.load(ordering: .relaxed) else { return true }
            guard owner.move(count, to: other, for: purpose) else { return false }
            owner = other
            return true
        }
    }

    private func giveBack() {
        owner.withLock { owner in
            if isHeld.exchange(false, ordering: .relaxed) { owner.giveBack(count) }
        }
    }
}

/// How many connections one listener accepts in a row, for as long as this lives.
final class AcceptBatch: Sendable {
    let count: Int
    private let budget: DescriptorBudget

    fileprivate init(budget: DescriptorBudget, extra: Int) {
        self.budget = budget
        count = extra + 1
    }

    deinit {
        budget.giveBackBurst(count - 1)
    }
}
