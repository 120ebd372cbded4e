import FoundationEssentials
import GRDB
import TestSupport

@testable import Reconciler

/// A store on a disk whose power is cut again and again, and what it has acknowledged until then.
struct PowerCutRun {
    /// What a cut did that it must not.
    struct Loss: Error, CustomStringConvertible {
        let description: String
    }

    /// Cuts that one state lives through; then another begins, so that none becomes large.
    private static let cutsPerState = 20
    /// Changes of the disk until the next cut: a store is opened with about 60, a mutation takes about 15.
    private static let changes = 1...600

    private let seed: UInt64
    private let synchronous: String
    private var random: SeededRandom
    private var directory: TemporaryDirectory
    private var acknowledged = StoredContents()
    private(set) var cuts = 0
    private(set) var mutations = 0

    /// `synchronous` is what the store is made to run with; nil leaves it as it is.
    init(seed: UInt64, synchronous: String? = nil) throws {
        self.seed = seed
        self.synchronous = synchronous.map { "PRAGMA synchronous = \($0)" } ?? ""
        random = SeededRandom(seed: seed)
        directory = try TemporaryDirectory()
    }

    /// Mutates until the power goes, and holds what is there afterwards against what was acknowledged.
    mutating func cut() throws {
        if cuts % PowerCutRun.cutsPerState == 0 {
            directory = try TemporaryDirectory()
            acknowledged = StoredContents()
        }
        cuts += 1
        let disk = WatchedDisk(directory.path)
        disk.cut(atChange: Int.random(in: PowerCutRun.changes, using: &random))
        var attempted: StoredContents?
        do {
            try mutate(until: disk, &attempted)
        } catch {
            // What was under way is not acknowledged; how it was refused matters to nobody.
            guard disk.isOff else { throw error }
        }
        let survivor = try TemporaryDirectory()
        try write(disk.remains(using: &random), to: survivor)
        try check(survivor, attempted)
        directory = survivor
    }

    private mutating func mutate(until disk: WatchedDisk, _ attempted: inout StoredContents?) throws {
        while true {
            let store = try StateStore.open(directory: directory.file("state"), now: epoch)
            try store.database.writeWithoutTransaction { try $0.execute(sql: synchronous) }
            for _ in 0..<Int.random(in: 5...100, using: &random) {
                if Int.random(in: 0..<20, using: &random) == 0 { try checkpoint(store) }
                let mutation = try StoreMutation.random(on: acknowledged, using: &random)
                let next = mutation.applied(to: acknowledged)
                attempted = next
                try mutation.perform(on: store)
                acknowledged = next
                attempted = nil
                mutations += 1
            }
        }
    }

    private mutating func checkpoint(_ store: StateStore) throws {
        let kind = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"].randomElement(using: &random) ?? "FULL"
        try store.database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(\(kind))") }
    }

    private func write(_ files: [String: [UInt8]], to survivor: TemporaryDirectory) throws {
        let state = survivor.file("state")
        try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
        for (name, bytes) in files { try Data(bytes).write(to: URL(filePath: survivor.file(name))) }
        // Not SQLite's: the store syncs its mark itself.
        try FileManager.default.copyItem(atPath: directory.file("state/state.lock"), toPath: "\(state)/state.lock")
    }

    private mutating func check(_ survivor: TemporaryDirectory, _ attempted: StoredContents?) throws {
        let found: StoredContents
        do {
            found = try StoredContents(of: StateStore.open(directory: survivor.file("state"), now: epoch))
        } catch {
            throw Loss(description: "\(place): \(error)")
        }
        // What was under way may be there, but then all of it.
        guard found == acknowledged || found == attempted else {
            throw Loss(description: "\(place): \(acknowledged.differences(from: found))")
        }
        acknowledged = found
    }

    private var place: String { "seed \(seed), cut \(cuts), \(mutations) mutations" }
}
