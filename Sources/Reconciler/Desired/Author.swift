package import Config

/// Who asked for a change, as people read it: `root (local CLI)`, `grafana (10.0.0.5)`, or a cause such as `expiry`.
package struct Author: Sendable, Hashable, CustomStringConvertible {
    package let description: String

    /// As the store has it; former versions kept an address or `socket`.
    package init(stored text: String) {
        description = text
    }

    /// A user of this machine, who came through the Unix socket.
    package static func localUser(_ name: String) -> Author { Author(stored: "\(name) (local CLI)") }

    /// Someone with an API key: the label of the key, and where the request came from.
    package static func key(_ label: String, at address: String) -> Author {
        Author(stored: "\(label) (\(address))")
    }

    /// The label of the key that every daemon has.
    package static let mainKey = "API key"

    /// A declaration took over an instance and left its labels.
    static let adoption = Author(stored: "adoption")
    /// A declaration was edited.
    static let manifest = Author(stored: "manifest")
    /// The time that was given is over.
    static let expiry = Author(stored: "expiry")
}

/// What the author of a request wrote about why: a ticket, a name, a sentence.
package enum RequestNote {
    /// Refuses a note over the limit of every label; nil for an empty one.
    package static func checked(_ text: String?) throws(LabelProblem) -> String? {
        guard let text, !text.isEmpty else { return nil }
        try TunnelLabels.check(text, "Note")
        return text
    }
}
