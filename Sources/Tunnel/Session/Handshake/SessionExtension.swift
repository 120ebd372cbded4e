/// What two of ours agree on beyond NodePass v1.14, by name in the handshake.
///
/// A peer that names none gets none.
///
/// Each is described in docs/protocol.md.
package enum SessionExtension: String, Sendable, Hashable, CaseIterable {
    /// The client proves on every link that it has the tunnel key.
    case linkProof = "link-proof"
    /// Signals are encrypted and authenticated.
    case sealedSignals = "sealed-signals"
    /// Datagrams carry their length, so that they arrive as they were sent.
    case datagramFrames = "udp-frames"
    /// The exit says when it could not connect a link to a target.
    case refuse
    /// The exit may ask the entry to close idle links.
    case trim
    /// The server names a certificate that it shows on links from now on, in a sealed session.
    case certificate
    /// Over WebSocket, a message without bytes ends its sender's direction.
    case halfClose = "half-close"

    /// What a sealed session always has, so that everything in it is made with its secret.
    static let ofEverySealedSession: Set<SessionExtension> = [.linkProof, .sealedSignals]
}
