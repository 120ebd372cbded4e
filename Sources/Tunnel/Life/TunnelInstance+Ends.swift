import Config
import FoundationEssentials
import NIOCore
import NIOPosix

/// Two-ended tunnels: the end that belongs to the spec, and what its sessions report.
extension TunnelInstance {
    /// Has the end the spec asks for before anything can come in; one of the same identity goes on, with the new plan.
    func haveEnd(_ spec: TunnelSpec, _ mode: TunnelMode) async throws(TunnelError) {
        guard end == nil else { return }
        endsMade += 1
        let number = endsMade
        let report: @Sendable (EndReport) -> Void = { [weak self] in self?.send(.report($0, of: number)) }
        switch spec.role {
        case .server:
            let credentials = try credentials(for: spec)
            end = await makeServer(spec, mode == .one ? .reverse : .forward, credentials, number, report)
        case .client:
            end = await makeClient(spec, number, report)
        }
        // It takes over from one whose session has ended just now.
        if board.current.phase == .ready { board.move(to: .connecting) }
    }

    /// The listeners are there: the peer can be met.
    func meet() async {
        if board.current.phase == .starting || board.current.phase == .backoff { board.move(to: .connecting) }
        let isRepeated = board.current.reason == .standby
        if case .client(let client) = end?.side { await onHome { client.value.connect(isRepeated: isRepeated) } }
    }

    /// Tells of files that changed under a running server.
    private nonisolated var certificateReload: @Sendable (ServerCredentials.ReloadOutcome) -> Void {
        { [tunnel, board, weak self] outcome in
            switch outcome {
            case .replaced(let certificate):
                board.update { $0.certificate = certificate }
                tunnel.log.write(.info, "Certificate replaced: \(certificate.subject), until \(certificate.notAfter)")
                self?.send(.checkCertificate)
            case .kept(let error):
                tunnel.log.write(.error, "Certificate not replaced, the former one stays: \(error.message)")
            }
        }
    }

    private func credentials(for spec: TunnelSpec) throws(TunnelError) -> ServerCredentials? {
        let mode = spec.tls ?? .off
        certificateFiles = CertificateFiles(mode).map { ($0, $0.state) }
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
        checkCertificate()
        return credentials
    }

    /// Warns of a certificate that runs out soon, now and once a day.
    func checkCertificate() {
        certificateCheck?.cancel()
        guard let certificate = board.current.certificate else { return }
        if let warning = certificate.expiryWarning(now: Date()) { tunnel.log.write(.warn, warning) }
        certificateCheck = tunnel.home.scheduleTask(in: .hours(24)) { [weak self] in
            self?.send(.checkCertificate)
        }
    }

    /// A tunnel that failed for its certificate is tried again when the files have changed.
    func watchCertificate() {
        guard board.current.reason == .certificateInvalid, let (files, state) = certificateFiles else { return }
        let interval = tunnel.environment.reloadInterval ?? TunnelLimits.certificateLook
        retry = tunnel.home.scheduleTask(in: TimeAmount(interval)) { [weak self] in
            // Looking may wait for a slow disk, which event loops must not.
            guard let self else { return }
            NIOThreadPool.singleton.submit { _ in
                self.send(files.state == state ? .watchCertificate : .retry)
            }
        }
    }

    private func makeServer(
        _ spec: TunnelSpec,
        _ flow: TunnelFlow,
        _ credentials: ServerCredentials?,
        _ number: Int,
        _ report: @escaping @Sendable (EndReport) -> Void
    ) async -> TunnelEnd {
        await onHome { [self, tunnel, certificateReload] in
            let server = ServerEnd(
                spec: spec,
                flow: flow,
                acceptor: StreamLinkAcceptor(credentials: credentials, onReload: certificateReload),
                tunnel: tunnel,
                entrance: tunnel.entrance,
                exit: exit,
                report: report
            )
            let bound = NIOLoopBound(server, eventLoop: tunnel.home)
            tunnel.meet(at: bound)
            return TunnelEnd(number: number, identity: SessionIdentity(spec), side: .server(bound), flow: flow)
        }
    }

    private func makeClient(
        _ spec: TunnelSpec,
        _ number: Int,
        _ report: @escaping @Sendable (EndReport) -> Void
    ) async -> TunnelEnd {
        await onHome { [self, tunnel, trust] in
            let client = ClientEnd(
                spec: spec,
                trust: trust,
                tunnel: tunnel,
                entrance: tunnel.entrance,
                exit: exit,
                report: report
            )
            let bound = NIOLoopBound(client, eventLoop: tunnel.home)
            return TunnelEnd(number: number, identity: SessionIdentity(spec), side: .client(bound), flow: nil)
        }
    }

    /// Ends the session; what it relays may finish.
    func leaveEnd() async {
        guard let former = end else { return }
        end = nil
        if case .client = former.side { formerFlow = former.flow ?? formerFlow }
        await onHome {
            switch former.side {
            case .server(let server): server.value.stop()
            case .client(let client): client.value.stop()
            }
        }
        certificateCheck?.cancel()
        board.update { $0.certificate = nil }
        startDrain()
    }

    func handle(_ report: EndReport) async {
        switch report {
        case .established(let flow): await established(flow)
        case .rejected(let error):
            guard board.current.phase == .connecting, board.current.message != error.message else { return }
            tunnel.log.write(.error, "Server error: \(error.message)")
            board.move(to: .connecting, error.reason, error.message)
        case .lost(let error):
            if let since = board.current.readySince,
                Date().timeIntervalSince(since) > TunnelLimits.stableSession / .seconds(1)
            {
                redial.reset()
                backoff.reset()
            }
            guard board.current.spec.role == .server else { return await failed(error) }
            tunnel.log.write(.error, "Server error: \(error.message)")
            board.move(to: .connecting, error.reason, error.message)
        }
    }

    private func established(_ flow: TunnelFlow) async {
        end?.flow = flow
        let spec = board.current.spec
        if spec.role == .client {
            let wanted = listenKeys(of: spec, .two)
            do {
                try await bind(wanted)
            } catch {
                await leaveEnd()
                return await failed(error)
            }
            await release(except: wanted)
            showListeners(wanted)
        }
        board.update { $0.nextRetry = nil }
        becomeReady(spec)
    }

    private func onHome<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { done in
            tunnel.home.execute { done.resume(returning: work()) }
        }
    }
}
