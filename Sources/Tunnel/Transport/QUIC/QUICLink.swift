import Config

/// How pool type 1 uses QUIC: each link is a stream, which its client opens, of a shared connection.
///
/// The client's first byte makes the stream visible; what follows it are the link's bytes. Source: NodePass
/// v1.14.
enum QUICLink {
    static let firstByte: UInt8 = 0

    /// Whether this program has it: the package trait `QUIC` leaves it out.
    static var isBuilt: Bool {
        #if QUIC
        true
        #else
        false
        #endif
    }

    /// What is said where it was left out.
    static let missing =
        "this build of nodepass has no QUIC (type=1, transport: quic); use another transport, or build it with "
        + "libngtcp2-dev, libngtcp2-crypto-gnutls-dev and libgnutls28-dev installed"
}

/// Why a QUIC connection or stream has ended, in words for a person.
struct QUICProblem: Error, Equatable {
    let words: String

    init(_ words: String) {
        self.words = words
    }
}
