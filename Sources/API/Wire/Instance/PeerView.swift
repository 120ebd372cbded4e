import Config
package import Tunnel

/// The other end of a two-ended tunnel.
package struct PeerView: WireView {
    package typealias Source = PeerSummary

    package static let name = "TunnelPeer"
    package static let summary = "The other end of a two-ended tunnel"
    package static let table = WireTable(PeerView())

    package let address = Field("address", .text("Where it is, without a port", example: "203.0.113.7")) { $0.address }
    package let program = Field(
        "program",
        .words(PeerSummary.Kind.allCases.map(\.rawValue), "What it is, as far as the handshake shows")
    ) { $0.kind.rawValue }
    package let transport = Field(
        "transport",
        .words(["tcp", "quic", "websocket", "http2"], "What carries the links between the ends")
    ) { $0.transport.name }
    package let connected = Field("connected", .flag("Whether it is here now")) { $0.isConnected }
    package let since = Field("since", .time("When it was connected")) { $0.since }
    package let lost = Field("lost", .nullable(.time("When it was lost"))) { $0.lostTime }

    package init() {}
}
