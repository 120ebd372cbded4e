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
            hold.admits(reading, isBeingWritten: isBeingWritten, poll: poll)
        }
        #expect(admits(both, true, 0))
        hold.delivered(both)
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
        hold.delivered(reading("version: 1\n"))
        #expect(!admits(half, true, 103))
    }

    @Test("a file that someone has open for writing is known, and one that is only read or closed is not")
    func writer() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("version: 1\n", to: "tunnels.yaml")
        #expect(!WrittenFile.isAny(of: [path, directory.path, directory.path + "/none"]))
        let reader = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        #expect(!WrittenFile.isAny(of: [path]))
        let writer = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        #expect(WrittenFile.isAny(of: [path, directory.path]))
        #expect(WrittenFile.isOpenInProcesses([path]))
        try writer.close()
        #expect(!WrittenFile.isAny(of: [path]))
        #expect(!WrittenFile.isOpenInProcesses([path]))
        try reader.close()
    }

    @Test("a file that is truncated and written slowly deletes nothing before it is closed")
    func slowWriter() async throws {
        let looks = Awaited(0)
        let watched = try WatchedFiles(by: .poll) { paths in
            looks.change { $0 += 1 }
            return WrittenFile.isAny(of: paths)
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

    private func declaring(_ names: [String], _ policy: String) -> ManifestReading {
        let lines = names.map { "  \($0): {\(client(9100 + Int($0.utf8.first ?? 0)))}\n" }
        return reading("version: 1\n" + policy + (names.isEmpty ? "tunnels: {}\n" : "tunnels:\n" + lines.joined()))
    }
}
