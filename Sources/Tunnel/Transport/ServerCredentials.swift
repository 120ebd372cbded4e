package import Config
package import NIOPosix
package import NIOSSL
import Synchronization

/// What a server presents to its clients: the certificate of this process, or a pair of files that
/// may change under it.
package final class ServerCredentials: Sendable {
    /// A certificate with its key, ready for handshakes.
    ///
    /// A link keeps the value it was accepted with: the fingerprint its client saw is that one's,
    /// whatever came after.
    package struct Loaded: Sendable {
        package let context: NIOSSLContext
        package let certificate: CertificateSummary
        #if QUIC
        /// For links over QUIC; nil where GnuTLS does not take the certificate, and for other uses.
        let quic: QUICCredentials?
        #endif

        init(
            chain: [NIOSSLCertificate],
            key: NIOSSLPrivateKey,
            certificate: CertificateSummary,
            for use: Use
        ) throws {
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) },
                privateKey: .privateKey(key)
            )
            configuration.minimumTLSVersion = use.minimumVersion
            configuration.applicationProtocols = use.applicationProtocols
            context = try NIOSSLContext(configuration: configuration)
            self.certificate = certificate
            #if QUIC
            quic =
                use == .links
                ? QUICCredentials(chain: try chain.map { try $0.toDERBytes() }, key: try key.derBytes) : nil
            #endif
        }
    }

    /// Who connects to us.
    package enum Use: Sendable {
        /// The other ends of tunnels.
        case links
        /// Clients of the API: browsers, and programs of any age.
        case web

        fileprivate var minimumVersion: TLSVersion {
            switch self {
            case .links: .tlsv13
            case .web: .tlsv12
            }
        }

        fileprivate var applicationProtocols: [String] {
            switch self {
            // For those over HTTP/2; a client of others asks for none.
            case .links: [HTTP2Link.alpn]
            case .web: ["h2", "http/1.1"]
            }
        }
    }

    /// What became of files that changed.
    package enum ReloadOutcome: Sendable {
        /// They are what new links are accepted with from now on.
        case replaced(CertificateSummary)
        /// They cannot be used; what was loaded before stays.
        case rejected(TunnelError)
    }

    /// How often the files are looked at, unless `NP_RELOAD_INTERVAL` says.
    ///
    /// Soon enough for a person who renews by hand and then tries; the cost is small beside that of
    /// a handshake.
    static let lookInterval = Duration.seconds(1)

    private struct State {
        var loaded: Loaded
        /// The files as they were when last looked at, usable or not.
        var seen: CertificateFiles.State?
        var nextLook: Duration
        var isLooking = false
    }

    private let files: CertificateFiles?
    private let use: Use
    private let interval: Duration
    private let uptime: @Sendable () -> Duration
    private let state: Mutex<State>

    /// Loads what `mode` asks for, which reads files; nil for `.off`, where there is nothing to
    /// present.
    ///
    /// `stored` is what self-signed means instead of the certificate of this process. Throws
    /// `CertificateInvalid` with the path and what to try.
    package init?(
        _ mode: TLSMode,
        for use: Use = .links,
        stored: StoredCertificate? = nil,
        reloadInterval: Duration? = nil,
        clock: some Clock<Duration> = ContinuousClock()
    ) throws(TunnelError) {
        switch mode {
        case .off: return nil
        case .selfSigned, .files: files = CertificateFiles(mode)
        case .filesMissing, .verified:
            throw TunnelError(.certificateInvalid, "tls=2 needs crt and key, the paths of two PEM files")
        }
        self.use = use
        let start = clock.now
        uptime = { start.duration(to: clock.now) }
        interval = reloadInterval ?? Self.lookInterval
        // Looked at before it is read: a change in between is found by the next look.
        let seen = files?.state
        state = Mutex(State(loaded: try Self.load(files, stored, for: use), seen: seen, nextLook: interval))
    }

    /// What to accept a link with now.
    package func current() -> Loaded {
        state.withLock { $0.loaded }
    }

    /// Has the files looked at on `pool` unless that was done within the interval; to be called for
    /// each link accepted.
    ///
    /// `report` is called there, and only when the files have changed.
    package func refreshIfDue(
        on pool: NIOThreadPool = .singleton,
        report: @escaping @Sendable (ReloadOutcome) -> Void
    ) {
        guard let files, takeTurn() else { return }
        pool.submit { _ in
            if let outcome = self.look(at: files) { report(outcome) }
            self.state.withLock { $0.isLooking = false }
        }
    }

    /// True for one caller an interval, and for none while a look still waits for a slow disk.
    private func takeTurn() -> Bool {
        let now = uptime()
        return state.withLock { state in
            guard now >= state.nextLook, !state.isLooking else { return false }
            state.nextLook = now + interval
            state.isLooking = true
            return true
        }
    }

    /// Loads the files if they are not those of the last look; each state of them is tried, and
    /// reported, once.
    private func look(at files: CertificateFiles) -> ReloadOutcome? {
        let found = files.state
        let isKnown = state.withLock { state in
            defer { state.seen = found }
            return state.seen == found
        }
        guard !isKnown else { return nil }
        do {
            let fresh = try files.load(for: use)
            state.withLock { $0.loaded = fresh }
            return .replaced(fresh.certificate)
        } catch {
            return .rejected(error)
        }
    }

    private static func load(
        _ files: CertificateFiles?,
        _ stored: StoredCertificate?,
        for use: Use
    ) throws(TunnelError) -> Loaded {
        if let files { return try files.load(for: use) }
        do {
            if let stored { return try stored.load(for: use) }
            return try SelfSignedCertificate.ofThisProcess.get()
        } catch {
            throw TunnelError(.internalError, "cannot make a certificate: \(ErrorText.words(for: error))")
        }
    }
}
