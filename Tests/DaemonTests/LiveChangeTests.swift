import TestSupport
import Testing

/// Edits in one run; `make soak-edits` asks for more.
private let edits = TestEnvironment.number("NODEPASS_TEST_EDITS") ?? 200

@Suite("A daemon is edited under traffic", .timeLimit(.minutes(5 + edits / 100)))
struct LiveChangeTests {
    @Test("edits of every class disturb nobody but those they name, and every byte is counted")
    func soak() async throws {
        let seed = TestEnvironment.seed()
        do {
            var soak = try await LiveSoak.start(seed: seed)
            try await soak.run(edits: edits)
        } catch {
            Issue.record("NODEPASS_TEST_SEED=\(seed): \(error)")
        }
    }
}
