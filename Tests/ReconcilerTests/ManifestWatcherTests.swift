// The C library's `stat` counts as CoreFoundation's wherever that is loaded, and a dependency loads it.
import CoreFoundation
import Glibc
import Reconciler
import TestSupport
import Testing

@Suite("Manifest watcher", .timeLimit(.minutes(1)))
struct ManifestWatcherTests {
    @Test("a replaced, edited, deleted or recreated file is read again", arguments: [WatchedFiles.Notice.hint, .poll])
    func oneFile(_ notice: WatchedFiles.Notice) async throws {
        let watched = try WatchedFiles(by: notice)
        let directory = watched.directory
        try directory.declare(9001)
        try await watched.expect(
            from: "web 9001",
            [
                (
                    "web 9002",
                    {
                        try directory.declare(9002, in: "other.yaml")
                        try directory.rename("other.yaml", to: "tunnels.yaml")
                    }
                ),
                ("web 9003", { try directory.declare(9003) }),
                ("rejected", { try directory.remove("tunnels.yaml") }),
                ("web 9004", { try directory.declare(9004) }),
            ]
        )
    }

    @Test("a file that does not exist yet is read when it comes", arguments: [WatchedFiles.Notice.hint, .poll])
    func later(_ notice: WatchedFiles.Notice) async throws {
        let watched = try WatchedFiles(by: notice)
        try await watched.expect(from: "rejected", [("web 9001", { try watched.directory.declare(9001) })])
    }

    @Test("an edit that keeps the size and the time of the file is found by its content")
    func sameMetadata() async throws {
        let watched = try WatchedFiles(by: .poll)
        let path = try watched.directory.declare(9001)
        try await watched.expect(
            from: "web 9001",
            [
                (
                    "web 9002",
                    {
                        var status = stat()
                        try #require(stat(path, &status) == 0)
                        try watched.directory.declare(9002)
                        var times = [status.st_atim, status.st_mtim]
                        try #require(utimensat(AT_FDCWD, path, &times, 0) == 0)
                    }
                )
            ]
        )
    }

    @Test("a burst of writes is one reading, of the last content")
    func burst() async throws {
        let watched = try WatchedFiles()
        let directory = watched.directory
        try directory.declare(9001)
        try await watched.expect(
            from: "web 9001",
            [
                ("web 9011", { for port in 9002...9011 { try directory.declare(port) } }),
                ("web 9012", { try directory.declare(9012) }),
            ]
        )
    }

    @Test("a file that never comes to rest is read all the same")
    func restless() async throws {
        let watched = try WatchedFiles()
        let directory = watched.directory
        try directory.declare(9001)
        let clock = watched.clock
        try await watched.run {
            #expect(await watched.next() == "web 9001")
            try directory.declare(9002)
            // Each look finds another content; no more than so many of them put the reading off.
            for port in 9003..<9053 {
                await clock.sleepers(2)
                try directory.declare(port)
                clock.advance(by: WatchedFiles.debounce)
            }
            #expect(await watched.nextAtOnce() == "web 9052")
        }
    }

    @Test("a nudge reads at once though nothing has changed, and a change that it read is no news to the poll")
    func nudge() async throws {
        let watched = try WatchedFiles(by: .poll)
        // Behind a link, where no notification comes between.
        try watched.directory.declare(9001, in: "elsewhere/tunnels.yaml")
        try watched.directory.link("tunnels.yaml", to: "elsewhere/tunnels.yaml")
        try await watched.run {
            #expect(await watched.next() == "web 9001")
            watched.watcher.nudge()
            #expect(await watched.nextAtOnce() == "web 9001")
            try watched.directory.declare(9002, in: "elsewhere/tunnels.yaml")
            watched.watcher.nudge()
            // The first nudge may have left a look behind that sees the edit, which then has to come to rest.
            #expect(await watched.next() == "web 9002")
            await watched.clock.sleepers(1)
            watched.clock.advance(by: WatchedFiles.pollInterval)
            watched.watcher.nudge()
            // Were it news, this would wait for the file to come to rest.
            #expect(await watched.nextAtOnce() == "web 9002")
        }
    }
}
