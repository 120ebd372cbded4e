import TestSupport
import Testing

/// Starts and kills in one run.
private let rounds = TestEnvironment.number("NODEPASS_TEST_ROUNDS") ?? 50

@Suite("The daemon is killed again and again", .timeLimit(.minutes(5 + rounds / 20)))
struct CrashTests {
    @Test("after kill -9 at any moment every acknowledged change, id, key and event is there")
    func killed() async throws {
        let seed = TestEnvironment.seed()
        var run = try CrashRun(seed: seed)
        do {
            for _ in 1...rounds { try await run.round() }
            try await run.finish()
        } catch {
            Issue.record("\(run.place): \(error)")
        }
    }
}
