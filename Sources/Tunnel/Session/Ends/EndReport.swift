/// What a two-ended tunnel's end reports to its tunnel.
enum EndReport: Sendable {
    /// Users can be given links; where they come in was agreed.
    case established(TunnelFlow)
    case lost(TunnelError)
    /// Server: a client was turned away while none is connected.
    case rejected(TunnelError)
}
