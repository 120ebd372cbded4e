import Config
import Logging
import Reconciler
import TestSupport
import Testing

// The C library's `stat` counts as CoreFoundation's wherever that is loaded, and a dependency loads it.
#if canImport(CoreFoundation)
import CoreFoundation
#endif
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A watcher on a directory, on a clock that the test moves.
struct WatchedManifest {
    let directory: TemporaryDirectory
    let clock = ManualClock()
    let readings: AsyncStream<ManifestReading>
    let watcher: ManifestWatcher

    init(path: String? = nil) throws {
        let directory = try TemporaryDirectory()
        let (readings, reading) = AsyncStream.makeStream(of: ManifestReading.self)
        let root = path.map { directory.file($0) } ?? directory.file("tunnels.yaml")
        let reader = ManifestReader(environment: [:], workingDirectory: directory.path)
        self.directory = directory
        self.readings = readings
        watcher = ManifestWatcher(
            read: { reader.read(paths: [root]) },
            clock: clock,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
            deliver: { reading.yield($0) }
        )
    }

    static func text(_ port: Int) -> String {
        "version: 1\ntunnels:\n  web: {\(client(port))}\n"
    }

    /// Runs the watcher, makes each change after the reading before it, and expects the port to follow; 0 is no tunnel.
    func expect(_ changes: [(port: UInt16, () throws -> Void)], from first: UInt16) async throws {
        let run = Task { try await watcher.run() }
        // Polls and debounces as time passes; how often does not matter.
        let time = Task {
            while !Task.isCancelled {
                await clock.sleepers(1)
                clock.advance(by: .milliseconds(100))
            }
        }
        var ports = readings.map { $0.manifest?.tunnels.first?.spec.tunnel.port ?? 0 }.makeAsyncIterator()
        #expect(await ports.next() == first)
        for (port, change) in changes {
            try change()
            var seen = await ports.next()
            // An edit in two system calls may be seen half done; what counts is that the end is seen.
            while seen != port, seen != nil { seen = await ports.next() }
            #expect(seen == port)
        }
        time.cancel()
        run.cancel()
        await time.value
        try await run.value
    }
}

@Suite("Manifest watcher", .timeLimit(.minutes(1)))
struct ManifestWatcherTests {
    @Test("a replaced, edited, deleted or recreated file is read again")
    func oneFile() async throws {
        let watched = try WatchedManifest()
        let directory = watched.directory
        try directory.write(WatchedManifest.text(9001), to: "tunnels.yaml")
        try await watched.expect(
            [
                (9002, { try directory.write(WatchedManifest.text(9002), to: "tunnels.yaml", atomically: true) }),
                (9003, { try directory.write(WatchedManifest.text(9003), to: "tunnels.yaml") }),
                (0, { try FileManager.default.removeItem(atPath: directory.file("tunnels.yaml")) }),
                (9004, { try directory.write(WatchedManifest.text(9004), to: "tunnels.yaml") }),
            ],
            from: 9001
        )
    }

    @Test("a file that does not exist yet is read when it comes")
    func later() async throws {
        let watched = try WatchedManifest()
        let directory = watched.directory
        try await watched.expect(
            [(9001, { try directory.write(WatchedManifest.text(9001), to: "tunnels.yaml") })],
            from: 0
        )
    }

    @Test("a swapped symbolic link, as a config map has it, is read again")
    func symlink() async throws {
        let watched = try WatchedManifest()
        let directory = watched.directory
        let files = FileManager.default
        try directory.write(WatchedManifest.text(9001), to: "one/tunnels.yaml")
        try directory.write(WatchedManifest.text(9002), to: "two/tunnels.yaml")
        try files.createSymbolicLink(atPath: directory.file("data"), withDestinationPath: "one")
        try files.createSymbolicLink(atPath: directory.file("tunnels.yaml"), withDestinationPath: "data/tunnels.yaml")
        try await watched.expect(
            [
                (
                    9002,
                    {
                        try files.removeItem(atPath: directory.file("data"))
                        try files.createSymbolicLink(atPath: directory.file("data"), withDestinationPath: "two")
                    }
                )
            ],
            from: 9001
        )
    }

    @Test("a file added to a watched directory is read")
    func directoryOfFiles() async throws {
        let watched = try WatchedManifest(path: "tunnels.d")
        let directory = watched.directory
        try directory.write("version: 1\ntunnels:\n  zed: {\(client(9009))}\n", to: "tunnels.d/z.yaml")
        try await watched.expect(
            [(9001, { try directory.write(WatchedManifest.text(9001), to: "tunnels.d/a.yaml") })],
            from: 9009
        )
    }

    @Test("an include that comes later, and then changes, is read")
    func include() async throws {
        let watched = try WatchedManifest()
        let directory = watched.directory
        try directory.write("version: 1\ninclude: [more/*.yaml]\ntunnels: {}\n", to: "tunnels.yaml")
        try await watched.expect(
            [
                (9001, { try directory.write(WatchedManifest.text(9001), to: "more/a.yaml") }),
                (9002, { try directory.write(WatchedManifest.text(9002), to: "more/a.yaml", atomically: true) }),
            ],
            from: 0
        )
    }

    @Test("an edit that keeps the size and the time of the file is found by its content")
    func sameMetadata() async throws {
        let watched = try WatchedManifest()
        let path = try watched.directory.write(WatchedManifest.text(9001), to: "tunnels.yaml")
        try await watched.expect(
            [
                (
                    9002,
                    {
                        var status = stat()
                        try #require(stat(path, &status) == 0)
                        try watched.directory.write(WatchedManifest.text(9002), to: "tunnels.yaml")
                        var times = [status.st_atim, status.st_mtim]
                        try #require(utimensat(AT_FDCWD, path, &times, 0) == 0)
                    }
                )
            ],
            from: 9001
        )
    }

    @Test("a nudge reads though nothing has changed")
    func nudge() async throws {
        let watched = try WatchedManifest()
        try watched.directory.write(WatchedManifest.text(9001), to: "tunnels.yaml")
        let watcher = watched.watcher
        try await watched.expect([(9001, { watcher.nudge() })], from: 9001)
    }
}
