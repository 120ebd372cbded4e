import Glibc
import Testing

@testable import Reconciler

@Suite("Whose directory the state may be in")
struct DirectoryVerdictTests {
    struct Case: Sendable {
        let owner: uid_t
        let mode: mode_t
        let user: uid_t
        var canWrite = true
        let verdict: DirectoryVerdict
    }

    @Test(
        "ours is closed, one that we can write to is taken with a warning, and root takes nobody else's",
        arguments: [
            Case(owner: 0, mode: 0o755, user: 0, verdict: .own),
            Case(owner: 1000, mode: 0o700, user: 1000, verdict: .own),
            Case(owner: 1000, mode: 0o777, user: 0, verdict: .refused),
            // Kubernetes: fsGroup, emptyDir.
            Case(owner: 0, mode: 0o2775, user: 1000, verdict: .shared("its group can replace the state")),
            Case(owner: 0, mode: 0o777, user: 1000, verdict: .shared("its group and everybody can replace the state")),
            Case(owner: 0, mode: 0o1777, user: 1000, verdict: .shared(nil)),
            Case(owner: 4, mode: 0o770, user: 1000, verdict: .shared("user 4 and its group can replace the state")),
            Case(owner: 0, mode: 0o755, user: 1000, canWrite: false, verdict: .refused),
        ]
    )
    func verdict(_ example: Case) {
        let verdict = DirectoryVerdict(
            owner: example.owner,
            mode: example.mode,
            user: example.user,
            canWrite: example.canWrite
        )
        #expect(verdict == example.verdict)
    }
}
