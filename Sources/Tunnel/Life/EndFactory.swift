import Config
import FoundationEssentials
import NIOCore

/// Makes the ends of one two-ended tunnel.
struct EndFactory: Sendable {
    let tunnel: TunnelContext
    let board: StatusBoard
    let trust: ClientTrust

    /// Throws `CertificateInvalid`, and `PortInUse` where it cannot share its port any longer.
    func makeServer(
        _ spec: TunnelSpec,
        _ flow: TunnelFlow,
        _ report: @escaping @Sendable (EndReport) -> Void
    ) async throws(TunnelError) -> TunnelEnd {
        if let problem = tunnel.renewDoor() { throw problem }
        let credentials = try credentials(for: spec)
        let server = await tunnel.onHome { [tunnel, showReload] in
            let server = ServerEnd(
                spec: spec,
                flow: flow,
                credentials: credentials,
                acceptors: LinkAcceptors(spec, StreamLinkAcceptor(credentials: credentials)),
                onReload: showReload,
                tunnel: tunnel,
                report: report
            )
            let bound = NIOLoopBound(server, eventLoop: tunnel.home)
            tunnel.serverEnd = bound
            return bound
        }
        return TunnelEnd(.server(server), expiryReminder: scheduleExpiryReminder(), home: tunnel.home)
    }

    func makeClient(_ spec: TunnelSpec, _ report: @escaping @Sendable (EndReport) -> Void) async -> TunnelEnd {
        warnOfCompatibility(spec)
        let client = await tunnel.onHome { [tunnel, trust] in
            let client = ClientEnd(spec: spec, trust: trust, tunnel: tunnel, report: report)
            return NIOLoopBound(client, eventLoop: tunnel.home)
        }
        return TunnelEnd(.client(client), expiryReminder: nil, home: tunnel.home)
    }

    private func credentials(for spec: TunnelSpec) throws(TunnelError) -> ServerCredentials? {
        warnOfCompatibility(spec)
        let mode = spec.linkTLS
        guard let credentials = try ServerCredentials(mode, reloadInterval: tunnel.environment.reloadInterval) else {
            tunnel.log.write(.warn, "TLS code-0: unencrypted")
            return nil
        }
        let summary = credentials.current().certificate
        board.update { $0.certificate = summary }
        tunnel.log.write(
            .info,
            "TLS code-\(mode.code): \(summary.isSelfMade ? "RAM cert" : summary.subject) with TLS 1.3"
        )
        return credentials
    }

    private func warnOfCompatibility(_ spec: TunnelSpec) {
        if spec.handshake == .compatible { tunnel.log.write(.warn, "handshake: \(HandshakePolicy.compatibleCost)") }
    }

    /// Shows that files have changed under a running server.
    private var showReload: @Sendable (ServerCredentials.ReloadOutcome) -> Void {
        { [tunnel, board] outcome in
            switch outcome {
            case .replaced(let certificate):
                board.update { $0.certificate = certificate }
                tunnel.home.execute { tunnel.serverEnd?.value.announce(certificate) }
                tunnel.log.write(.info, "Certificate replaced: \(certificate.subject), until \(certificate.notAfter)")
                Self.warnOfExpiry(tunnel, board)
            case .rejected(let error):
                tunnel.log.write(.error, "Certificate not replaced, the former one stays: \(error.message)")
            }
        }
    }

    /// Warns of a certificate that is about to expire, now and once a day.
    private func scheduleExpiryReminder() -> RepeatedTask? {
        // Clients trust one made in memory by its fingerprint, whatever its dates.
        guard board.current.certificate?.isSelfMade == false else { return nil }
        Self.warnOfExpiry(tunnel, board)
        return tunnel.home.scheduleRepeatedTask(initialDelay: .hours(24), delay: .hours(24)) { [tunnel, board] _ in
            Self.warnOfExpiry(tunnel, board)
        }
    }

    private static func warnOfExpiry(_ tunnel: TunnelContext, _ board: StatusBoard) {
        guard let warning = board.current.certificate?.expiryWarning(now: Date()) else { return }
        tunnel.log.write(.warn, warning)
    }
}
