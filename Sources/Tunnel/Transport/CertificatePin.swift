import NIOCore

/// The certificates that a server may show on the links of one sealed session: that of the handshake,
/// and those that it has named since over the sealed control link.
///
/// Lives on the tunnel's loop.
final class CertificatePin {
    /// Oldest first.
    private var known: [String]
    private let loop: any EventLoop
    /// Links that show another one, whose name may be on its way.
    private var waiting: [(fingerprint: String, known: EventLoopPromise<Void>)] = []
    /// Whether the server names its certificates: it reloads them, and has the extension.
    private let isNamed: Bool
    private let mayChange: Bool
    /// The control link is there: the server can be heard.
    var canHear = false

    init(_ fingerprint: String, mayChange: Bool, isNamed: Bool, loop: any EventLoop) {
        known = [fingerprint]
        self.mayChange = mayChange
        self.isNamed = isNamed
        self.loop = loop
    }

    /// Succeeds for a certificate that the server has named; fails with `TunnelError`.
    func admit(_ fingerprint: String?) -> EventLoopFuture<Void> {
        guard let fingerprint, !known.contains(fingerprint) else {
            return fingerprint == nil ? loop.makeFailedFuture(mismatch(nil)) : loop.makeSucceededVoidFuture()
        }
        // No more wait than dials are under way.
        guard isNamed, mayChange, canHear else { return loop.makeFailedFuture(mismatch(fingerprint)) }
        let promise = loop.makePromise(of: Void.self)
        waiting.append((fingerprint, promise))
        let deadline = loop.assumeIsolated().scheduleTask(in: TimeAmount(TunnelLimits.certificateWait)) {
            promise.fail(self.mismatch(fingerprint))
        }
        promise.futureResult.whenComplete { _ in deadline.cancel() }
        promise.futureResult.assumeIsolated().whenComplete { _ in
            self.waiting.removeAll { $0.known.futureResult === promise.futureResult }
        }
        return promise.futureResult
    }

    /// The server has named a certificate that it shows from now on.
    func learn(_ fingerprint: String) {
        guard !known.contains(fingerprint) else { return }
        known = (known + [fingerprint]).suffix(TunnelLimits.sessionCertificates)
        for link in waiting where link.fingerprint == fingerprint { link.known.succeed(()) }
    }

    private func mismatch(_ shown: String?) -> TunnelError {
        let message = "a link shows certificate \(shown ?? "none"), the handshake showed \(known.last ?? "none")"
        return mayChange
            ? TunnelError(.peerUnreachable, message + ": it was replaced, or the connection is intercepted")
            : TunnelError(.tlsFingerprintMismatch, message + "; the connection is intercepted between the ends")
    }
}
