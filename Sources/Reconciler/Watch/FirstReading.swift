package import Config
import FoundationEssentials

/// The reading that a daemon starts with, beside what the manifest declared before.
package struct FirstReading: Sendable {
    /// A file of an unseen writer that changed within this time may still be written.
    static let restSeconds: Int64 = 10

    package let reading: ManifestReading
    /// It lacks tunnels that were declared before, and a file of it may still be written.
    package let mayBeHalf: Bool
    /// What the next reading is compared with.
    let names: Set<String>

    /// `declared` are the names that the state has.
    package init(_ reading: ManifestReading, declared: Set<String>) {
        self.init(
            reading,
            declared: declared,
            now: Int64(Date().timeIntervalSince1970),
            writers: WrittenFile.writers(of:)
        )
    }

    init(_ reading: ManifestReading, declared: Set<String>, now: Int64, writers: (Set<String>) -> FileWriters) {
        self.reading = reading
        guard reading.manifest != nil else {
            mayBeHalf = false
            names = declared
            return
        }
        let losesTunnels = !declared.isSubset(of: reading.names)
        mayBeHalf = losesTunnels && Self.mayBeWritten(writers(reading.watched), now: now)
        names = mayBeHalf ? declared.union(reading.names) : reading.names
    }

    private static func mayBeWritten(_ writers: FileWriters, now: Int64) -> Bool {
        switch writers {
        case .closed: false
        case .open: true
        case .unseen(let paths):
            paths.contains { path in FileState(path: path).map { now - $0.modifiedSeconds < restSeconds } ?? false }
        }
    }
}
