/// Which way users come: the side they connect to is the entry, the side that dials the target the
/// exit.
package enum TunnelFlow: String, Sendable, Hashable {
    /// The server is the entry.
    case reverse = "-"
    /// The client is the entry.
    case forward = "+"

    package func isEntry(_ side: SessionSide) -> Bool {
        (self == .reverse) == (side == .server)
    }
}
