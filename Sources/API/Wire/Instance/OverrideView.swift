import Config
import FoundationEssentials
package import Reconciler

/// What a request changed over the manifest: only the keys it changed, then who did it and until
/// when it lasts.
package struct OverrideView: WireView {
    package struct Source: Sendable {
        let override: Override
        /// Hides the tunnel's key in the URL, for events that people read.
        var isMasked = false

        package init(_ override: Override, isMasked: Bool = false) {
            self.override = override
            self.isMasked = isMasked
        }

        var url: String? { override.url.map { isMasked ? TunnelURL.masked($0) : $0 } }
    }

    package static let name = "Override"
    package static let summary = "What a request changed; all other keys are as declared"
    package static let table = WireTable(OverrideView())

    package let state = Field(optional: "state", .runState("Whether it is to run")) { source in
        source.override.running.map { $0 ? "running" : "stopped" }
    }
    package let command = Field(optional: "command", .text("The URL it runs with instead")) { $0.url }
    package let deleted = Field(optional: "deleted", .mark("It is deleted until the override ends")) {
        $0.override.deleted ? true : nil
    }
    package let alias = Field(optional: "alias", .text("Name shown in dashboards")) { $0.override.alias }
    package let tags = Field(optional: "tags", .map("Labels by name")) { $0.override.tags }
    package let peer = Field(optional: "peer", .object(MetaView.Peer.self)) { $0.override.peer }
    package let restart = Field(optional: "restart", .flag("Whether it starts with the daemon")) {
        $0.override.autostart
    }
    package let since = Field("since", .time("When it was made")) { $0.override.since }
    package let until = Field("until", .nullable(.time("When it ends by itself"))) { $0.override.until }
    package let by = Field("by", .author) { $0.override.by }
    package let note = Field(optional: "note", .note) { $0.override.note }

    package init() {}
}
