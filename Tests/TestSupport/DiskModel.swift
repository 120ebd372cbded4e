/// What a directory holds, and how much of it a power cut may take: a value.
///
/// Bytes count as kept once their file was synced, names once their directory was. A cut takes everything else, or
/// leaves any part of it: writes reach a disk in any order, and not always whole.
package struct DiskModel: Sendable {
    private enum Change: Sendable {
        case write(offset: Int, bytes: [UInt8])
        case resize(Int)
    }

    private enum NameChange: Sendable {
        case link(String, Int)
        case unlink(String)
    }

    private struct File: Sendable {
        var synced: [UInt8]
        var unsynced: [Change] = []

        mutating func sync() {
            for change in unsynced { DiskModel.apply(change, to: &synced) }
            unsynced = []
        }
    }

    /// By number, as inodes: a name that is used again is another file.
    private var files: [Int: File] = [:]
    private var names: [String: Int] = [:]
    private var syncedNames: [String: Int] = [:]
    private var unsyncedNames: [NameChange] = []
    private var nextNumber = 0

    package init() {}

    /// Bytes and names that were written and that a cut may still take; what was cut off or removed may come back.
    package var unsyncedCount: Int {
        let writes = files.values.flatMap(\.unsynced).count { if case .write = $0 { true } else { false } }
        return writes + unsyncedNames.count { if case .link = $0 { true } else { false } }
    }

    package func number(of name: String) -> Int? { names[name] }

    /// A file that was on the disk before: all of it is kept.
    package mutating func adopt(_ name: String, bytes: [UInt8]) -> Int {
        let number = add(File(synced: bytes), as: name)
        syncedNames[name] = number
        return number
    }

    package mutating func create(_ name: String) -> Int {
        let number = add(File(synced: []), as: name)
        unsyncedNames.append(.link(name, number))
        return number
    }

    package mutating func remove(_ name: String) {
        names[name] = nil
        unsyncedNames.append(.unlink(name))
    }

    package mutating func write(_ bytes: [UInt8], at offset: Int, to number: Int) {
        files[number]?.unsynced.append(.write(offset: offset, bytes: bytes))
    }

    package mutating func resize(_ number: Int, to size: Int) {
        files[number]?.unsynced.append(.resize(size))
    }

    package mutating func sync(_ number: Int) {
        files[number]?.sync()
    }

    package mutating func syncNames() {
        for change in unsyncedNames { DiskModel.apply(change, to: &syncedNames) }
        unsyncedNames = []
    }

    private mutating func add(_ file: File, as name: String) -> Int {
        nextNumber += 1
        files[nextNumber] = file
        names[name] = nextNumber
        return nextNumber
    }

    private static func apply(_ change: Change, to bytes: inout [UInt8]) {
        switch change {
        case .write(let offset, let new):
            let end = offset + new.count
            if bytes.count < end { bytes += Array(repeating: 0, count: end - bytes.count) }
            bytes.replaceSubrange(offset..<end, with: new)
        case .resize(let size):
            if size < bytes.count {
                bytes.removeLast(bytes.count - size)
            } else {
                bytes += Array(repeating: 0, count: size - bytes.count)
            }
        }
    }

    private static func apply(_ change: NameChange, to names: inout [String: Int]) {
        switch change {
        case .link(let name, let number): names[name] = number
        case .unlink(let name): names[name] = nil
        }
    }
}

// MARK: - The cut

extension DiskModel {
    /// What becomes of the unsynced changes of one file, or of the names.
    private enum Fate: CaseIterable {
        case allLost
        /// The first few are kept.
        case cutOff
        /// Each is kept, lost, or kept up to some byte.
        case scattered
    }

    /// The smallest piece that a disk writes whole.
    private static let sectorBytes = 512

    /// The files that are there when power is back.
    package func remains(using generator: inout some RandomNumberGenerator) -> [String: [UInt8]] {
        var left = syncedNames
        // A file system keeps the order of names.
        for change in unsyncedNames.prefix(Int.random(in: 0...unsyncedNames.count, using: &generator)) {
            DiskModel.apply(change, to: &left)
        }
        var remains: [String: [UInt8]] = [:]
        for (name, number) in left.sorted(by: { $0.key < $1.key }) {
            guard let file = files[number] else { continue }
            var bytes = file.synced
            for change in DiskModel.kept(file.unsynced, using: &generator) { DiskModel.apply(change, to: &bytes) }
            remains[name] = bytes
        }
        return remains
    }

    private static func kept(_ changes: [Change], using generator: inout some RandomNumberGenerator) -> [Change] {
        switch Fate.allCases.randomElement(using: &generator) {
        case .cutOff: Array(changes.prefix(Int.random(in: 0...changes.count, using: &generator)))
        case .scattered: changes.compactMap { torn($0, using: &generator) }
        case .allLost, nil: []
        }
    }

    private static func torn(_ change: Change, using generator: inout some RandomNumberGenerator) -> Change? {
        switch (Int.random(in: 0..<3, using: &generator), change) {
        case (0, _): return nil
        case (1, .write(let offset, let bytes)):
            let sectors = Int.random(in: 0...bytes.count / sectorBytes, using: &generator)
            return .write(offset: offset, bytes: Array(bytes.prefix(sectors * sectorBytes)))
        default: return change
        }
    }
}
