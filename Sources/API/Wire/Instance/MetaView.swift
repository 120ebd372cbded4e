package import Config

/// The labels of an instance.
package struct MetaView: WireView {
    package typealias Source = TunnelLabels

    package static let name = "Meta"
    package static let summary = "Labels for dashboards"
    package static let table = WireTable(MetaView())

    package let peer = Field("peer", .object(Peer.self)) { $0.peer }
    package let tags = Field("tags", .map("Labels by name")) { $0.tags }

    package init() {}

    package struct Peer: WireView {
        package typealias Source = PeerLabel

        package static let name = "Peer"
        package static let summary = "The other end, as a dashboard knows it"
        package static let table = WireTable(Peer())

        package let sid = Field("sid", .text("Id of the service")) { $0.sid }
        package let type = Field("type", .text("Kind of the service")) { $0.type }
        package let alias = Field("alias", .text("Name of the other end")) { $0.alias }

        package init() {}
    }
}
