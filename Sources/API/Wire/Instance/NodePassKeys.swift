import Config
import Reconciler
import Tunnel

/// NodePass v1.14's 17 keys in its order, which every instance and the API key's row have.
package struct NodePassKeys: WireView {
    /// Where the keys come from: an instance, or the API key's row.
    package struct Source: Sendable {
        var id: String
        var alias: String
        var type = ""
        var status = ""
        var url: String
        var config: String
        var isAutostarted = false
        var labels = TunnelLabels()
        var run = InstanceSnapshot.Status()
        var traffic = Traffic()
    }

    package static let name = "NodePassKeys"
    package static let summary = "NodePass's 17 keys"
    package static let table = WireTable(NodePassKeys())

    package let id = Field("id", .id) { $0.id }
    package let alias = Field("alias", .text("Name shown in dashboards", example: "web")) { $0.alias }
    package let type = Field("type", .words(["client", "server", ""], "Empty for the API key's row")) { $0.type }
    package let status = Field(
        "status",
        .words(
            WireStatus.allCases.map(\.rawValue) + [""],
            "NodePass's status; `phase` is more exact. Always `stopped` in the answer to its creation"
        )
    ) { $0.status }
    package let url = Field(
        "url",
        .text(
            "Byte for byte what was sent, inherited parameters at its end; the key itself in the API key's row",
            example: "client://127.0.0.1:8080/10.0.0.7:80?mode=1"
        )
    ) { $0.url }
    package let config = Field(
        "config",
        .text("The URL with every default; the master's id in the API key's row")
    ) { $0.config }
    package let restart = Field("restart", .flag("Whether it starts with the daemon")) { $0.isAutostarted }
    package let meta = Field("meta", .object(MetaView.self)) { $0.labels }
    package let mode = Field(
        "mode",
        .count("0 until it is known; then 1 or 2: a client's single or dual end, a server's direction")
    ) { $0.run.resolvedMode }
    package let ping = Field(
        "ping",
        .count("Round trip to the other end, or the last connect to the target, in milliseconds")
    ) { $0.run.pingMilliseconds }
    package let pool = Field("pool", .count("Idle links that are ready")) { $0.run.poolIdle }
    package let tcps = Field("tcps", .count("Open TCP connections")) { $0.run.tcpConnections }
    package let udps = Field("udps", .count("Open UDP sessions")) { $0.run.udpSessions }
    package let tcprx = Field("tcprx", .count("Bytes from users over TCP")) { $0.traffic.tcpRx }
    package let tcptx = Field("tcptx", .count("Bytes to users over TCP")) { $0.traffic.tcpTx }
    package let udprx = Field("udprx", .count("Bytes from users over UDP")) { $0.traffic.udpRx }
    package let udptx = Field("udptx", .count("Bytes to users over UDP")) { $0.traffic.udpTx }

    package init() {}
}

extension NodePassKeys.Source {
    init(_ instance: InstanceSnapshot, status: WireStatus) {
        id = instance.id
        alias = instance.labels.alias
        type = instance.role.rawValue
        self.status = status.rawValue
        url = instance.url
        config = instance.config
        isAutostarted = instance.autostart
        labels = instance.labels
        run = instance.status
        traffic = instance.traffic
    }
}
