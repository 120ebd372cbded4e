/// The server's side of one session: recognizes the proofs of its client's links.
final class LinkProofVerifier {
    private let secret: SessionSecret
    private var window = LinkProofWindow()
    /// What the proofs of this session's links begin with.
    let route: UInt32

    init(secret: SessionSecret) {
        self.secret = secret
        route = secret.linkRoute
    }

    /// True once for each proof that the client has made.
    func admits(_ proof: LinkProof, fingerprint: String?) -> Bool {
        proof.isMade(with: secret, fingerprint: fingerprint) && window.admit(proof.number)
    }
}
