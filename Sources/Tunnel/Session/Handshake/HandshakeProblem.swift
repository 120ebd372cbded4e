import NIOCore

/// Why a handshake did not come to terms.
package enum HandshakeProblem: Error, Sendable, Hashable {
    case malformed(String)
    case refused(status: Int, String)
    /// The server does not take the sealed handshake, and answered otherwise.
    case notSealed(status: Int, String)
    /// The former session has come back to life meanwhile.
    case notWanted
}

extension TunnelError {
    /// What a client's handshake has failed of.
    static func handshake(_ error: any Error) -> TunnelError {
        switch error {
        case let error as TunnelError: error
        case HandshakeProblem.refused(401, _):
            TunnelError(.authFailed, "Unauthorized (401): the server has another tunnel key")
        case HandshakeProblem.refused(409, let text): TunnelError(.standby, "Standing by: \(text)")
        case HandshakeProblem.refused(421, let text), HandshakeProblem.notSealed(421, let text):
            TunnelError(.serviceUnknown, "the server answered 421: \(text) Give both ends the same service.")
        case HandshakeProblem.refused(let status, let text), HandshakeProblem.notSealed(let status, let text):
            TunnelError(.peerUnreachable, "the server answered \(status): \(text)")
        case HandshakeProblem.notWanted: TunnelError(.peerUnreachable, "the server answers again")
        case HandshakeProblem.malformed(let why): TunnelError(.peerUnreachable, "no NodePass server there: \(why)")
        case SealedHandshake.Problem.notProven:
            TunnelError(.authFailed, "the server has another tunnel key, or the connection is intercepted")
        case SealedHandshake.Problem.malformed(let why):
            TunnelError(.peerUnreachable, "the sealed handshake was broken off: \(why)")
        default: TunnelError(.peerUnreachable, ErrorText.words(for: error))
        }
    }
}
