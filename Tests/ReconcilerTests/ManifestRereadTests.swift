import Config
import Reconciler
import Synchronization
import TestSupport
import Testing

@Suite("Reading a manifest again on request", .timeLimit(.minutes(1)))
struct ManifestRereadTests {
    @Test("returns when the files as they are now have been delivered, also when nothing looks changed")
    func delivers() async throws {
        let watched = try WatchedManifest()
        try watched.directory.write(WatchedManifest.text(9001), to: "tunnels.yaml")
        let run = Task { try await watched.watcher.run() }
        var ports = watched.readings.map { $0.manifest?.tunnels.first?.spec.tunnel.port ?? 0 }.makeAsyncIterator()
        #expect(await ports.next() == 9001)
        await watched.watcher.reread()
        #expect(await ports.next() == 9001)
        try watched.directory.write(WatchedManifest.text(9002), to: "tunnels.yaml")
        await watched.watcher.reread()
        var last = await ports.next()
        while last != 9002 { last = await ports.next() }
        run.cancel()
        try await run.value
        // Nobody reads any more: it must not wait for ever.
        await watched.watcher.reread()
    }
}
