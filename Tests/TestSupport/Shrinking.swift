/// Looks for the smallest case that still fails, so that a person can read it.
///
/// `candidates` are simpler forms of a case, the boldest first; the first that fails is gone on with.
package func shrunk<Case>(
    _ failing: Case,
    attempts: Int = 5_000,
    candidates: (Case) -> [Case],
    stillFails: (Case) async throws -> Bool
) async rethrows -> Case {
    var smallest = failing
    var left = attempts
    search: while true {
        for candidate in candidates(smallest) {
            guard left > 0 else { return smallest }
            left -= 1
            if try await stillFails(candidate) {
                smallest = candidate
                continue search
            }
        }
        return smallest
    }
}
