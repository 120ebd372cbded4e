import FoundationEssentials

/// A directory of its own for one test, gone with its last reference.
package final class TemporaryDirectory: Sendable {
    package let path: String

    package init() throws {
        let base = FileManager.default.temporaryDirectory.path
        let name = "nodepass-test-\(UInt64.random(in: 0...UInt64.max))"
        path = base.hasSuffix("/") ? base + name : "\(base)/\(name)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The path of a file in it.
    package func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file, in place unless `atomically`, and returns its path.
    @discardableResult
    package func write(_ text: String, to name: String, atomically: Bool = false) throws -> String {
        let url = URL(filePath: file(name))
        let directory = url.deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url, options: atomically ? [.atomic] : [])
        return file(name)
    }
}
