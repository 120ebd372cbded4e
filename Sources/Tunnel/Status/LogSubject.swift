/// What a line is about that may happen any number of times; lines of one subject are thinned together.
///
/// A closed set, so that what is kept for them is bounded.
enum LogSubject: Sendable, Hashable {
    // Users.
    case accessDenied
    case limitReached
    case blocked
    case noLink
    case targetUnreachable
    case targetFailed
    case refusedByPeer
    case servedByPeer
    case acceptPaused
    // What comes to a tunnel port, and over links.
    case rejected
    case forgedLink
    case standby
    case strayBytes
    case badLine
    case missingLink
    case linkFailed
    // Attempts and sessions.
    case attempt
    case transport
    case terms
    case poolStart
    case handshakeDone
    case verification
    case verified
    case handshake
    case started
    case failing(TunnelReason)
}
