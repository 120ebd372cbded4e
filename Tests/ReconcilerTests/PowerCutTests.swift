import TestSupport
import Testing

/// Cuts in one run; more of them take a second for each five.
private let cutCount = TestEnvironment.number("NODEPASS_TEST_CUTS") ?? 50

@Suite("Power is cut", .timeLimit(.minutes(5 + cutCount / 100)))
struct PowerCutTests {
    @Test("after a cut at any moment all that was acknowledged is there, and nothing by half")
    func survives() throws {
        let seed = TestEnvironment.seed()
        var run = try PowerCutRun(seed: seed)
        while run.cuts < cutCount { try run.cut() }
        #expect(run.mutations > run.cuts)
    }

    @Test("these cuts find a store that is synced at checkpoints alone", arguments: ["NORMAL", "OFF"])
    func detects(_ synchronous: String) throws {
        var run = try PowerCutRun(seed: 1, synchronous: synchronous)
        #expect(throws: PowerCutRun.Loss.self) { while run.cuts < 100 { try run.cut() } }
    }
}
