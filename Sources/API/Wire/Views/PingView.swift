import Config

/// What became of a TCP connect.
package struct PingView: WireView {
    package struct Source: Sendable, Hashable {
        let target: String
        var milliseconds: Int64 = 0
        /// Why it was not reached; nil where it was.
        var problem: String?
    }

    package static let name = "Ping"
    package static let summary = "The result of a TCP connect"
    package static let table = WireTable(PingView())

    package let target = Field("target", .text("The address of the request")) { $0.target }
    package let connected = Field("connected", .flag("Whether it was reached")) { $0.problem == nil }
    package let latency = Field("latency", .count("Milliseconds")) { $0.milliseconds }
    package let error = Field("error", .nullable(.text("Why it was not reached"))) { $0.problem }

    package init() {}
}
