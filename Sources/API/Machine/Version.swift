import CBuild

/// What this program calls itself.
package enum Version {
    /// The API level clients gate on: NodePass's version whose master API this is.
    package static let api = "1.14.0"
    package static let implementation = "nodepass-swift"
    package static let build = "0.1.0"
    /// The commit it was built from, with `-dirty` behind it where files had been changed; nil where the build was not given it.
    package static let commit: String? = {
        let text = String(cString: cbuild_commit())
        return text.isEmpty ? nil : text
    }()
    /// What `--version` prints.
    ///
    /// Installers and scripts read it: NodePass's version is its second word.
    package static let line =
        "nodepass v\(api) (\(implementation) \(build)\(commit.map { ", commit " + $0 } ?? ""))"
}
