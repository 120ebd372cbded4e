/// What a server answers a client that has asked for the tunnel.
enum HandshakeAnswer: Sendable {
    case terms(HandshakeTerms)
    case refused(HandshakeRefusal)
}
