import Config
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Reconciler

@Suite("Half a manifest", .timeLimit(.minutes(1)))
struct HalfManifestTests {
    private let both = manifest(["db": client(9002), "web": client(9001)])
    private let half = manifest(["db": client(9002)])

    @Test("a reading that has lost tunnels waits while a file is being written, for 30 s at most")
    func hold() {
        var hold = ReadingHold(delivered: nil)
        func admits(_ reading: ManifestReading, _ isBeingWritten: Bool, _ poll: Int) -> Bool {
            hold.admits(reading, ReadingHold.Evidence(writers: isBeingWritten ? .open : .closed), poll: poll)
        }
        #expect(admits(both, true, 0))
        hold.delivered(both, files: [:])
        #expect(admits(both, true, 0))
        #expect(admits(half, false, 0))
        #expect(!hold.isHolding)
        #expect(!admits(half, true, 1))
        #expect(hold.isHolding && hold.lostNames == ["web"])
        #expect(!admits(half, true, ReadingHold.pollLimit))
        #expect(admits(half, true, ReadingHold.pollLimit + 1))
        #expect(!hold.isHolding)
        #expect(!admits(half, true, 100))
        #expect(admits(both, true, 101))
        #expect(!hold.isHolding)
        // A rejected reading deletes nothing.
        #expect(admits(reading("version: 1\n"), true, 102))
        hold.delivered(reading("version: 1\n"), files: [:])
        #expect(!admits(half, true, 103))
    }

    @Test("a file that someone has open for writing is known, and one that is only read or closed is not")
    func writer() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("version: 1\n", to: "tunnels.yaml")
        #expect(WrittenFile.writers(of: [path, directory.path, directory.path + "/none"]) == .closed)
        let reader = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        #expect(WrittenFile.writers(of: [path]) == .closed)
        let writer = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        #expect(WrittenFile.writers(of: [path, directory.path]) == .open)
        #expect(WrittenFile.isOpenInProcesses([path]))
        try writer.close()
        #expect(WrittenFile.writers(of: [path]) == .closed)
        #expect(!WrittenFile.isOpenInProcesses([path]))
        try reader.close()
    }

    @Test("a file that is truncated and written slowly deletes nothing before it is closed")
    func slowWriter() async throws {
        let looks = Awaited(0)
        let watched = try WatchedFiles(by: .poll) { paths in
            looks.change { $0 += 1 }
            return WrittenFile.writers(of: paths)
        }
        let text = "version: 1\ntunnels:\n  db: {\(client(9002))}\n"
        let path = try watched.directory.write(text + "  web: {\(client(9001))}\n", to: "tunnels.yaml")
        try await watched.run {
            #expect(await watched.next() == "db 9002, web 9001")
            let writer = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            try writer.truncate(atOffset: 0)
            try writer.write(contentsOf: Data(text.utf8))
            async let next = watched.next()
            try await looks.wait(for: "a look at the half") { $0 > 0 ? $0 : nil }
            try writer.write(contentsOf: Data("  web: {\(client(9003))}\n".utf8))
            try writer.close()
            #expect(await next == "db 9002, web 9003")
        }
    }

    @Test("where no writer can be seen, a file that changed in place waits until it is closed or at rest")
    func unseen() throws {
        let directory = try TemporaryDirectory()
        func write(_ text: String, atomically: Bool = false) throws -> [String: FileState] {
            let path = try directory.write(text, to: "tunnels.yaml", atomically: atomically)
            return [path: try #require(FileState(path: path))]
        }
        let former = try write("both of them")
        let changed = try write("half")
        let longer = try write("longer")
        let replaced = try write("half", atomically: true)
        func hold(_ former: [String: FileState]?) -> ReadingHold {
            var hold = ReadingHold(delivered: both.names)
            if let former { hold.delivered(both, files: former) }
            return hold
        }
        func evidence(_ files: [String: FileState], settled: [String: FileState] = [:]) -> ReadingHold.Evidence {
            ReadingHold.Evidence(writers: .unseen(Set(files.keys)), files: files, settled: settled)
        }
        var waiting = hold(former)
        func admits(_ evidence: ReadingHold.Evidence, _ poll: Int) -> Bool {
            waiting.admits(half, evidence, poll: poll)
        }
        #expect(!admits(evidence(changed), 1))
        #expect(!admits(evidence(changed), ReadingHold.restPolls))
        // It goes on, and rests later.
        #expect(!admits(evidence(longer), ReadingHold.restPolls + 1))
        #expect(!admits(evidence(longer), 2 * ReadingHold.restPolls))
        #expect(admits(evidence(longer), 2 * ReadingHold.restPolls + 1))
        // What was closed and then changed again is not whole.
        #expect(!admits(evidence(longer, settled: changed), 20))
        #expect(admits(evidence(longer, settled: longer), 20))
        #expect(admits(evidence(replaced), 20))
        #expect(admits(evidence(former), 20))
        // A file that never rests waits as long as an open one.
        for poll in 0..<ReadingHold.pollLimit {
            #expect(!admits(evidence(poll.isMultiple(of: 2) ? changed : longer), poll))
        }
        #expect(admits(evidence(longer), ReadingHold.pollLimit))
        waiting = hold(nil)
        #expect(!admits(evidence(changed), 0))
        #expect(admits(evidence(changed), ReadingHold.restPolls))
    }

    @Test("without a visible writer, a file that was replaced, or written and closed, is read at once")
    func unseenWhole() async throws {
        let watched = try WatchedFiles(writers: unseenFiles)
        try watched.directory.write(text(db: 9002, web: 9001), to: "tunnels.yaml")
        try await watched.expect(
            from: "db 9002, web 9001",
            [
                (
                    "db 9002",
                    {
                        try watched.directory.write(text(db: 9002), to: "new.yaml")
                        try watched.directory.rename("new.yaml", to: "tunnels.yaml")
                    }
                ),
                ("db 9002, web 9003", { try watched.directory.write(text(db: 9002, web: 9003), to: "tunnels.yaml") }),
                ("db 9004", { try watched.directory.write(text(db: 9004), to: "tunnels.yaml") }),
            ]
        )
    }

    @Test("without a visible writer, a file that is written slowly deletes nothing before it is closed")
    func unseenSlowWriter() async throws {
        let looks = Awaited(0)
        let watched = try WatchedFiles(by: .poll) { paths in
            looks.change { $0 += 1 }
            return unseenFiles(paths)
        }
        let path = try watched.directory.write(text(db: 9002, web: 9001), to: "tunnels.yaml")
        try await watched.run {
            #expect(await watched.next() == "db 9002, web 9001")
            let writer = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            try writer.truncate(atOffset: 0)
            try writer.write(contentsOf: Data(text(db: 9002).utf8))
            async let next = watched.next()
            try await looks.wait(for: "a look at the half") { $0 > 0 ? $0 : nil }
            // Had the half been taken, this would be another reading.
            try writer.write(contentsOf: Data("  mail: {\(client(9003))}\n".utf8))
            try writer.close()
            #expect(await next == "db 9002, mail 9003")
        }
    }

    @Test("a daemon that starts with half a file waits with what it lacks until the file is closed")
    func startWithHalf() async throws {
        let looks = Awaited(0)
        let watched = try WatchedFiles(by: .poll, start: (text(db: 9002), ["db", "web"])) { paths in
            looks.change { $0 += 1 }
            // At the start there is none of our own yet.
            return looks.current == 1 ? .open : WrittenFile.writers(of: paths)
        }
        let writer = try FileHandle(forWritingTo: URL(fileURLWithPath: watched.directory.file("tunnels.yaml")))
        try writer.seekToEnd()
        try await watched.run {
            async let next = watched.next()
            try await looks.wait(for: "a look at the half") { $0 > 1 ? $0 : nil }
            try writer.write(contentsOf: Data("  mail: {\(client(9003))}\n".utf8))
            try writer.close()
            #expect(await next == "db 9002, mail 9003")
        }
    }

    @Test("a first reading may be half where it lacks declared tunnels and a file may still be written")
    func firstReading() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("version: 1\n", to: "tunnels.yaml")
        let modified = try #require(FileState(path: path)).modifiedSeconds
        func first(
            _ reading: ManifestReading,
            _ writers: FileWriters,
            after seconds: Int64 = 0,
            declared: Set<String> = ["db", "web"]
        ) -> FirstReading {
            FirstReading(reading, declared: declared, now: modified + seconds) { _ in writers }
        }
        #expect(first(half, .open).mayBeHalf && first(half, .open).names == ["db", "web"])
        #expect(!first(half, .closed).mayBeHalf && first(half, .closed).names == ["db"])
        #expect(!first(both, .open).mayBeHalf && !first(half, .open, declared: []).mayBeHalf)
        #expect(first(half, .unseen([path]), after: FirstReading.restSeconds - 1).mayBeHalf)
        #expect(!first(half, .unseen([path]), after: FirstReading.restSeconds).mayBeHalf)
        // A rejected reading deletes nothing, and half of one may follow.
        let rejected = first(reading("version: 1\n"), .open)
        #expect(!rejected.mayBeHalf && rejected.names == ["db", "web"])
    }

    @Test("after a restart, half a manifest starts what it has, keeps the rest, and is refused as the last good one is")
    func restart() async throws {
        let directory = try TemporaryDirectory()
        let log = KeptLog.Lines()
        func rejections() -> [String] {
            log.all.withLock { lines in lines.filter { $0.contains("manifest rejected") } }
        }
        do {
            let daemon = try RunningReconciler(directory: directory, expectsManifest: true, logger: log.logger)
            await daemon.reconciler.declare(reading("version: 1\n"))
            #expect(rejections().last?.contains("no manifest is in use") == true)
            await daemon.reconciler.declare(declaring(["a", "b", "c"], "policy: {maxDeletes: 1}\n"))
            try await daemon.settled()
            try await daemon.stop()
        }
        let daemon = try RunningReconciler(directory: directory, expectsManifest: true, logger: log.logger)
        let one = declaring(["a"], "policy: {maxDeletes: 1}\n")
        #expect(await daemon.reconciler.declaredNames == ["a", "b", "c"])
        await daemon.reconciler.declare(one)
        #expect(rejections().count == 2)
        #expect(rejections().last?.contains("the last good one stays") == true)
        await daemon.reconciler.declare(one, keepsMissing: true)
        try await daemon.settled()
        #expect(daemon.reconciler.isReady)
        #expect(await daemon.reconciler.status().rejection == nil)
        #expect(await daemon.reconciler.instances().map(\.name) == ["a", "b", "c"])
        #expect(await daemon.reconciler.instances().allSatisfy { $0.origin == .manifest })
        await daemon.reconciler.declare(one, isConfirmed: true)
        #expect(await daemon.reconciler.instances().map(\.name) == ["a"])
    }

    @Test("policy.maxDeletes is a number or a percentage, and counts before and after the edit")
    func limits() throws {
        func problem(_ policy: String, after former: String = "", _ names: [String]) throws -> Diagnostic? {
            var state = DesiredState()
            let all = ["a", "b", "c", "d", "e"]
            _ = state.declare(declaring(all, former), now: epoch)
            try #require(state.ordered.count == 5)
            return DeleteGuard.problem(declaring(names, policy), in: state, prune: true)
        }
        let twenty = "policy: {maxDeletes: 20%}\n"
        #expect(try problem(twenty, ["a", "b", "c", "d"]) == nil)
        let rejected = try #require(try problem(twenty, ["a", "b", "c"]))
        #expect(rejected.code == "too-many-deletes" && rejected.message.contains("2 of 5 tunnels (d, e)"))
        #expect(try problem("policy: {maxDeletes: 2}\n", ["a", "b", "c"]) == nil)
        #expect(try problem("policy: {maxDeletes: 2}\n", ["a", "b"]) != nil)
        #expect(try problem("policy: {maxDeletes: 0}\n", ["a", "b", "c", "d"]) != nil)
        #expect(try problem("", ["a"]) == nil)
        // Half a file may have lost its policy.
        #expect(try problem("", after: twenty, ["a"]) != nil)
        #expect(try problem(twenty, []) == nil)
        #expect(try problem("policy: {maxDeletes: 1, prune: false}\n", ["a"]) == nil)
    }

    @Test("a value of policy.maxDeletes that is neither is an error", arguments: ["-1", "101%", "x", "5 %", "1.5"])
    func badLimit(_ text: String) {
        #expect(manifest(["a": client(9001)], policy: "policy: {maxDeletes: \"\(text)\"}\n").hasErrors)
    }

    @Test("a manifest that deletes too much is rejected, shown as that once, and applied when it is confirmed")
    func confirmed() async throws {
        let daemon = try RunningReconciler(directory: try TemporaryDirectory(), expectsManifest: true)
        let policy = "policy: {maxDeletes: 1}\n"
        await daemon.reconciler.declare(declaring(["a", "b", "c"], policy))
        for _ in 0..<2 {
            await daemon.reconciler.declare(declaring(["a"], policy))
            let status = await daemon.reconciler.status()
            #expect(status.rejection?.diagnostics.last?.code == "too-many-deletes")
            #expect(await daemon.reconciler.instances().count == 3)
        }
        await daemon.reconciler.declare(declaring(["a", "b"], policy))
        #expect(await daemon.reconciler.status().rejection == nil)
        await daemon.reconciler.declare(declaring(["c"], policy), isConfirmed: true)
        #expect(await daemon.reconciler.status().rejection == nil)
        #expect(await daemon.reconciler.instances().map(\.name) == ["c"])
        await daemon.reconciler.declare(declaring([], policy))
        #expect(await daemon.reconciler.instances().isEmpty)
    }

    /// Says that no writer of these files could be seen.
    private let unseenFiles: @Sendable (Set<String>) -> FileWriters = { paths in
        .unseen(paths.filter { FileState(path: $0)?.isDirectory == false })
    }

    private func text(db: Int, web: Int? = nil) -> String {
        "version: 1\ntunnels:\n  db: {\(client(db))}\n" + (web.map { "  web: {\(client($0))}\n" } ?? "")
    }

    private func declaring(_ names: [String], _ policy: String) -> ManifestReading {
        let lines = names.map { "  \($0): {\(client(9100 + Int($0.utf8.first ?? 0)))}\n" }
        return reading("version: 1\n" + policy + (names.isEmpty ? "tunnels: {}\n" : "tunnels:\n" + lines.joined()))
    }
}
