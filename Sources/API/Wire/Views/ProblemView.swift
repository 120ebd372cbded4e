import Config
package import Reconciler

/// Something that keeps users, or the next edit, from being served.
package struct ProblemView: WireView {
    package typealias Source = Problem

    package static let name = "Problem"
    package static let summary = "Something that keeps users, or the next edit, from being served"
    package static let table = WireTable(ProblemView())

    package let kind = Field("kind", .problemKind) { $0.kind.rawValue }
    package let words = Field("words", .text("The kind in a few words, for tables", example: "target down")) {
        $0.kind.words
    }
    package let id = Field("id", .nullable(.id)) { $0.id }
    package let tunnel = Field("tunnel", .nullable(.text("The tunnel it is about; null for one of the daemon"))) {
        $0.name
    }
    package let address = Field(
        "address",
        .nullable(.text("The target, peer or file it is about", example: "10.0.0.7:80"))
    ) { $0.address }
    package let since = Field("since", .nullable(.time("Since when"))) { $0.since }
    package let text = Field("text", .text("What is wrong")) { $0.text }
    package let remedy = Field("remedy", .text("What to do about it; may be empty")) { $0.remedy }
    package let urgent = Field("urgent", .flag("False for what serves now and needs a look soon")) { $0.isUrgent }

    package init() {}
}
