/// Lets a few tasks through at a time, in the order of their arrival; groups with priority do not
/// wait.
///
/// Many users work without filling the machine, and those that a test looks at do not wait for the
/// others.
actor Turnstile {
    private var free: Int
    private var queue: [(group: Int, turn: CheckedContinuation<Void, Never>)] = []
    private var prioritized: Set<Int> = []

    init(width: Int) {
        free = width
    }

    /// Runs the body when it is the group's turn.
    func pass<Value: Sendable>(_ group: Int, _ body: @Sendable () async throws -> Value) async rethrows -> Value {
        await enter(group)
        defer { leave() }
        return try await body()
    }

    private func enter(_ group: Int) async {
        if free > 0 || prioritized.contains(group) {
            free -= 1
        } else {
            await withCheckedContinuation { queue.append((group, $0)) }
        }
    }

    private func leave() {
        free += 1
        if free > 0, !queue.isEmpty { admit(0) }
    }

    /// Gives the group priority until `endPriority`.
    func prioritize(_ group: Int) {
        prioritized.insert(group)
        while let index = queue.firstIndex(where: { $0.group == group }) { admit(index) }
    }

    func endPriority(_ group: Int) {
        prioritized.remove(group)
    }

    /// May take the count below zero: then more leave before others enter.
    private func admit(_ index: Int) {
        free -= 1
        queue.remove(at: index).turn.resume()
    }
}
