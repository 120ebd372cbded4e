/// What events keep of a plan: how many steps of each kind, and the first of them.
package struct PlanDigest: Sendable, Hashable {
    /// A block of the event stream has to stay under 64 KiB.
    package static let stepLimit = 50
    /// Characters of one text.
    package static let textLimit = 200

    package let counts: [PlanReport.Action: Int]
    package let overridden: Int
    package let unchanged: Int
    /// The first steps, with long texts cut.
    package let steps: [PlanReport.Step]

    package init(counts: [PlanReport.Action: Int], overridden: Int, unchanged: Int, steps: [PlanReport.Step]) {
        self.counts = counts
        self.overridden = overridden
        self.unchanged = unchanged
        self.steps = steps
    }
}

extension PlanReport {
    package var digest: PlanDigest { digest(steps: PlanDigest.stepLimit) }

    /// Without steps, for the event that follows the one with them.
    var counts: PlanDigest { digest(steps: 0) }

    private func digest(steps limit: Int) -> PlanDigest {
        PlanDigest(
            counts: Dictionary(steps.map { ($0.action, 1) }, uniquingKeysWith: +),
            overridden: overridden.count,
            unchanged: unchanged,
            steps: steps.prefix(limit).map(\.shortened)
        )
    }
}
