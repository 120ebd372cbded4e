import Reconciler
import Testing

@Suite("Reading a manifest again on request", .timeLimit(.minutes(1)))
struct ManifestRereadTests {
    @Test("returns when the files as they are now have been delivered, and at once when nobody reads any more")
    func delivers() async throws {
        let watched = try WatchedFiles()
        try watched.directory.declare(9001)
        try await watched.run {
            #expect(await watched.nextAtOnce() == "web 9001")
            await watched.watcher.reread()
            #expect(await watched.nextAtOnce() == "web 9001")
            try watched.directory.declare(9002)
            await watched.watcher.reread()
            #expect(await watched.nextAtOnce() == "web 9002")
        }
        await watched.watcher.reread()
    }
}
