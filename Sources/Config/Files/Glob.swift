/// Expands a path with `*` and `?` in any of its parts, in lexical order.
package struct Glob {
    let hasWildcard: Bool
    private(set) var matches: [String] = []
    /// Directories whose content decides what matches.
    private(set) var directories: Set<String> = []

    init(_ pattern: String) {
        hasWildcard = pattern.contains { $0 == "*" || $0 == "?" }
        guard hasWildcard else {
            directories = [TextFile.directory(of: pattern)]
            matches = TextFile.exists(pattern) ? [pattern] : []
            if matches.isEmpty { directories.insert(pattern) }
            return
        }
        expand("", pattern.split(separator: "/")[...])
    }

    private mutating func expand(_ base: String, _ parts: ArraySlice<Substring>) {
        guard let part = parts.first else {
            matches.append(base)
            return
        }
        let rest = parts.dropFirst()
        guard part.contains(where: { $0 == "*" || $0 == "?" }) else {
            let path = base + "/" + part
            if TextFile.exists(path) { expand(path, rest) } else { directories.insert(path) }
            return
        }
        directories.insert(base.isEmpty ? "/" : base)
        for name in TextFile.names(in: base.isEmpty ? "/" : base) ?? [] {
            guard !name.hasPrefix(".") || part.hasPrefix(".") else { continue }
            guard Glob.matches(Array(name.unicodeScalars)[...], Array(part.unicodeScalars)[...]) else { continue }
            let path = base + "/" + name
            if rest.isEmpty == TextFile.isDirectory(path) { continue }
            expand(path, rest)
        }
    }

    /// Whether a text is what the pattern says, as a whole.
    package static func matches(_ text: String, _ pattern: String) -> Bool {
        matches(Array(text.unicodeScalars)[...], Array(pattern.unicodeScalars)[...])
    }

    /// Linear in practice: after a `*` only the last one is ever reconsidered.
    private static func matches(
        _ name: ArraySlice<Unicode.Scalar>,
        _ pattern: ArraySlice<Unicode.Scalar>
    ) -> Bool {
        var (i, j) = (0, 0)
        var star: (pattern: Int, name: Int)?
        while i < name.count {
            if j < pattern.count, pattern[j] == "*" {
                star = (j + 1, i)
                j += 1
            } else if j < pattern.count, pattern[j] == "?" || pattern[j] == name[i] {
                i += 1
                j += 1
            } else if let last = star {
                star = (last.pattern, last.name + 1)
                (i, j) = (last.name + 1, last.pattern)
            } else {
                return false
            }
        }
        return pattern[j...].allSatisfy { $0 == "*" }
    }
}

extension TextFile {
    static func exists(_ path: String) -> Bool {
        isDirectory(path) || isFile(path)
    }
}
