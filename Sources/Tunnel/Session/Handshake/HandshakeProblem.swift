/// Why a handshake did not come to terms.
package enum HandshakeProblem: Error, Sendable, Hashable {
    case malformed(String)
    case refused(status: Int, String)
}
