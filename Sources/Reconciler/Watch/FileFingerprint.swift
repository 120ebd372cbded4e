import Config
import Crypto
import FoundationEssentials

/// What distinguishes one state of a path from another: the file it leads to, and its content.
struct FileFingerprint: Sendable, Hashable {
    /// Nil where nothing is.
    let state: FileState?
    /// SHA-256 of a file's bytes or of a directory's names; nil where there is nothing to read.
    let content: [UInt8]?
}

/// The fingerprints of every path a manifest came from.
///
/// Metadata is looked at each time. Content is read again when the metadata moved, and otherwise a budget's worth per
/// look, going round: an edit that leaves size and time alone is found, and a huge set of files costs no more than a
/// small one.
struct FingerprintSet: Sendable {
    /// Bytes of unmoved files read per look.
    static let contentBudgetBytes: Int64 = 4 << 20
    /// Larger files are compared by metadata alone; no manifest or certificate is that large.
    static let fileLimitBytes = Int64(YAMLLimits().documentBytes)

    private(set) var paths: [String]
    private var known: [String: FileFingerprint] = [:]
    private var next = 0

    init(paths: Set<String>) {
        self.paths = paths.sorted()
        for path in self.paths { known[path] = FingerprintSet.read(path, FileState(path: path)) }
    }

    /// What there was at the last look.
    var files: [String: FileState] { known.compactMapValues(\.state) }

    /// Looks at everything again; true when something differs from the last look.
    mutating func refresh() -> Bool {
        var changed = false
        for path in paths {
            let state = FileState(path: path)
            guard state != known[path]?.state else { continue }
            known[path] = FingerprintSet.read(path, state)
            changed = true
        }
        return rereadSome() || changed
    }

    private mutating func rereadSome() -> Bool {
        var changed = false
        var budget = FingerprintSet.contentBudgetBytes
        for _ in paths.indices where budget > 0 {
            next = (next + 1) % paths.count
            let path = paths[next]
            guard let state = known[path]?.state else { continue }
            // A small file costs a read as well as its bytes.
            budget -= max(state.size, 4096)
            let fresh = FingerprintSet.read(path, state)
            if fresh != known[path] {
                known[path] = fresh
                changed = true
            }
        }
        return changed
    }

    private static func read(_ path: String, _ state: FileState?) -> FileFingerprint {
        guard let state else { return FileFingerprint(state: nil, content: nil) }
        if state.isDirectory {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: path))?.sorted() ?? []
            return FileFingerprint(state: state, content: digest(Array(names.joined(separator: "\n").utf8)))
        }
        guard state.size <= fileLimitBytes else { return FileFingerprint(state: state, content: nil) }
        let content = FileManager.default.contents(atPath: path)
        return FileFingerprint(state: state, content: content.map { digest(Array($0)) })
    }

    private static func digest(_ bytes: [UInt8]) -> [UInt8] {
        Array(SHA256.hash(data: bytes))
    }
}
