import Config
import Tunnel

/// The daemon and its machine: NodePass's keys, which are in alphabetical order, then ours.
package struct InfoView: WireView {
    package struct Source: Sendable {
        let alias: String
        let masterID: String
        let facts: DaemonFacts
        let machine: SystemReadings.Snapshot
        let uptimeSeconds: Int64
        let plan: DescriptorPlan
        let descriptors: DescriptorBudget.Figures
    }

    package static let name = "Info"
    package static let summary = "The daemon and its machine"
    package static let table = WireTable(InfoView())

    package let alias = Field("alias", .text("The daemon's name in dashboards")) { $0.alias }
    package let arch = Field("arch", .text("Processor", example: "amd64")) { _ in SystemReadings.architecture }
    package let cpu = Field("cpu", .percent("Percent busy")) { $0.machine.cpuPercent }
    package let crt = Field("crt", .text("Certificate that tunnels inherit")) { $0.facts.certificate }
    package let diskr = Field("diskr", .count("Bytes read")) { $0.machine.disk.read }
    package let diskw = Field("diskw", .count("Bytes written")) { $0.machine.disk.written }
    package let key = Field("key", .text("Key of that certificate")) { $0.facts.privateKey }
    package let log = Field("log", .text("Log level")) { $0.facts.log }
    package let memTotal = Field("mem_total", .count("Bytes")) { $0.machine.memory.total }
    package let memUsed = Field("mem_used", .count("Bytes")) { $0.machine.memory.used }
    package let mid = Field("mid", .text("The daemon's id", pattern: "^[0-9a-f]{16}$")) { $0.masterID }
    package let name = Field("name", .text("Host it listens on")) { $0.facts.name }
    package let netrx = Field("netrx", .count("Bytes received")) { $0.machine.network.received }
    package let nettx = Field("nettx", .count("Bytes sent")) { $0.machine.network.sent }
    package let os = Field("os", .text("Operating system")) { _ in "linux" }
    package let swapTotal = Field("swap_total", .count("Bytes")) { $0.machine.memory.swapTotal }
    package let swapUsed = Field("swap_used", .count("Bytes")) { $0.machine.memory.swapUsed }
    package let sysup = Field("sysup", .count("Seconds the machine is up")) { $0.machine.uptimeSeconds }
    package let tls = Field("tls", .words(["0", "1", "2"], "TLS of the API: off, self-signed, or files")) {
        $0.facts.tls
    }
    package let uptime = Field("uptime", .count("Seconds the daemon is up")) { $0.uptimeSeconds }
    package let ver = Field("ver", .text("NodePass's version whose API this is", example: "1.14.0")) { _ in
        Version.api
    }
    package let noc = Field("noc", .count("Processor cores")) { _ in SystemReadings.coreCount }
    package let impl = Field("impl", .text("This program")) { _ in Version.implementation }
    package let build = Field("build", .text("Its version")) { _ in Version.build }
    package let host = Field("hostname", .text("The machine's name", example: "vps1")) { _ in SystemReadings.hostName }
    package let descriptorLimit = Field("fd_limit", .count("File descriptors that the process may open")) {
        $0.plan.limit
    }
    package let tunnelDescriptors = Field(
        "fd_tunnels",
        .count("How many of them tunnels may hold; the rest is for the API, the store and files")
    ) { $0.plan.tunnels }
    package let userDescriptors = Field(
        "fd_users",
        .count("How many of those users may fill, with their targets and links")
    ) { $0.plan.users }
    package let takenDescriptors = Field("fd_taken", .count("Descriptors that tunnels hold")) { $0.descriptors.taken }
    package let refused = Field(
        "refused",
        .count("Users refused because no file descriptor was free, since the daemon started")
    ) { $0.descriptors.refused }

    package init() {}
}
