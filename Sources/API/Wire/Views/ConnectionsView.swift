import Config
package import Tunnel

/// The users of one tunnel.
package struct ConnectionsView: WireView {
    package typealias Source = UserConnections

    package static let name = "UserConnections"
    package static let summary = "The users of one tunnel"
    package static let table = WireTable(ConnectionsView())

    package let total = Field("total", .count("How many there are; the list has the first \(UserConnection.listLimit)"))
    {
        $0.total
    }
    package let connections = Field("connections", .list(.object(Line.self), "The oldest first")) { $0.listed }

    package init() {}

    package struct Line: WireView {
        package typealias Source = UserConnection

        package static let name = "UserConnection"
        package static let summary = "One connection or session of a user"
        package static let table = WireTable(Line())

        package let user = Field("user", .text("Address and port", example: "203.0.113.9:51234")) { $0.user }
        package let transport = Field("transport", .words(["tcp", "udp"], "The protocol")) { $0.transport.rawValue }
        package let since = Field("since", .time("When it was accepted")) { $0.since }
        package let received = Field(
            "in",
            .nullable(.count("Bytes that this end has read on its side, as the kernel counts; null for UDP"))
        ) { $0.received }
        package let sent = Field(
            "out",
            .nullable(.count("Bytes that this end has written on its side, as the kernel counts; null for UDP"))
        ) { $0.sent }

        package init() {}
    }
}
