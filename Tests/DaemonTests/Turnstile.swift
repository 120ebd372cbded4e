/// Lets a few through at a time, in the order they came, except those who are in a hurry.
///
/// Keeps a crowd of users at work without filling the machine, so that whom a test looks at need not wait for the others.
actor Turnstile {
    private var free: Int
    private var queue: [(group: Int, turn: CheckedContinuation<Void, Never>)] = []
    private var hurried: Set<Int> = []

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
        if free > 0 || hurried.contains(group) {
            free -= 1
        } else {
            await withCheckedContinuation { queue.append((group, $0)) }
        }
    }

    private func leave() {
        free += 1
        if free > 0, !queue.isEmpty { admit(0) }
    }

    /// The group waits no longer, until it is told to take its time.
    func hurry(_ group: Int) {
        hurried.insert(group)
        while let index = queue.firstIndex(where: { $0.group == group }) { admit(index) }
    }

    func takeTime(_ group: Int) {
        hurried.remove(group)
    }

    /// May take the count below zero: then more leave before others enter.
    private func admit(_ index: Int) {
        free -= 1
        queue.remove(at: index).turn.resume()
    }
}
