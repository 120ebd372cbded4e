/// Where a tunnel's life has come to, and why.
struct TunnelStep: Sendable, Hashable {
    let phase: TunnelPhase
    var reason: TunnelReason?
    /// For people; empty when the phase says it all.
    var message = ""
}
