import Config
import NIOCore

/// The server's side: lets through only those link channels whose client proves that it has the
/// tunnel key.
final class LinkProofVerifier {
    private let tunnel: TunnelContext
    private let secret: SessionSecret
    private var window = LinkProofWindow()

    init(tunnel: TunnelContext, secret: SessionSecret) {
        self.tunnel = tunnel
        self.secret = secret
    }

    /// Reads the proof; `proven` gets what came behind it.
    ///
    /// A channel without a proof is closed.
    func verify(_ carrier: LinkChannel, proven: @escaping (_ early: ByteBuffer) -> Void) {
        let patience = TimeAmount(tunnel.environment.handshakeTimeout)
        let reader = ExactReader(length: LinkProof.lengthBytes, within: patience) { result in
            // A channel that ended before is closed by the reader.
            guard case .success((let bytes, let rest)) = result else { return }
            guard let proof = LinkProof(bytes),
                proof.isMade(with: self.secret, fingerprint: carrier.fingerprint),
                self.window.admit(proof.number)
            else { return self.reject(carrier) }
            proven(rest)
        }
        try? carrier.channel.pipeline.syncOperations.addHandler(reader)
    }

    private func reject(_ carrier: LinkChannel) {
        tunnel.counters.countRejected()
        tunnel.log.write(
            .warn,
            .forgedLink,
            "Link without proof of the tunnel key from \(carrier.peerName) closed"
        )
        carrier.channel.closeAtOnce()
    }
}
