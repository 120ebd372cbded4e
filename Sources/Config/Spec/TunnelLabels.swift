/// What a tunnel's record carries besides the spec: names and labels that no byte depends on.
package struct TunnelLabels: Sendable, Hashable {
    package var alias: String
    package var tags: [String: String]
    package var peer: PeerLabel

    package init(alias: String = "", tags: [String: String] = [:], peer: PeerLabel = PeerLabel()) {
        self.alias = alias
        self.tags = tags
        self.peer = peer
    }

    /// UTF-8 bytes an alias, a tag's key or value, or a member of `peer` may have (NodePass's
    /// limit).
    package static let textLimitBytes = 256
    /// Tags one tunnel may have: with all texts at their limit an event stays under its 64 KiB.
    package static let tagLimit = 64
}

/// `meta.peer`: how dashboards tie the two ends of a service together.
package struct PeerLabel: Sendable, Hashable {
    package var sid: String
    package var type: String
    package var alias: String

    package init(sid: String = "", type: String = "", alias: String = "") {
        self.sid = sid
        self.type = type
        self.alias = alias
    }
}

/// A label that is over its limit, in the words NodePass's clients know.
package struct LabelProblem: Error, Hashable {
    /// Stable, for programs.
    package let code: String
    package let message: String
}

extension TunnelLabels {
    /// True for a text that every label may have.
    package static func fits(_ text: String) -> Bool { text.utf8.count <= textLimitBytes }

    /// Refuses a text over the limit; `name` is what the message calls it.
    package static func check(_ text: String, _ name: String) throws(LabelProblem) {
        guard !fits(text) else { return }
        throw LabelProblem(code: "too-long", message: "\(name) exceeds maximum length \(textLimitBytes)")
    }

    /// Refuses labels of which one is over its limit.
    package func check() throws(LabelProblem) {
        try Self.check(alias, "Instance alias")
        try peer.check()
        try Self.check(tags: tags)
    }

    package static func check(tags: [String: String]) throws(LabelProblem) {
        guard tags.count <= tagLimit else {
            throw LabelProblem(code: "tag-count", message: "Meta tags exceed maximum count \(tagLimit)")
        }
        for (key, value) in tags.sorted(by: { $0.key < $1.key }) {
            try check(key, "Meta tag key")
            try check(value, "Meta tag value")
        }
    }
}

extension PeerLabel {
    package func check() throws(LabelProblem) {
        try TunnelLabels.check(sid, "Meta peer.sid")
        try TunnelLabels.check(type, "Meta peer.type")
        try TunnelLabels.check(alias, "Meta peer.alias")
    }
}
