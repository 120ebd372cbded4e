import Config
import NIOCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What a two-ended tunnel's end tells its tunnel.
enum EndReport: Sendable {
    /// A session serves users; where they come in was agreed.
    case established(TunnelFlow)
    case lost(TunnelError)
    /// Server: somebody was turned away while nobody is connected.
    case rejected(TunnelError)
}

/// The server's end: judges handshakes on the tunnel's port and feeds links to the session, one client at a time.
///
/// Lives on the tunnel's loop. The port stays open through it all: which of a handshake and a link a connection is, its
/// first byte says, or, where the client says nothing first, a short silence.
final class ServerEnd {
    let acceptor: any LinkAcceptor
    private let tunnel: TunnelContext
    private let tunnelKey: String
    private let token: HandshakeToken
    private let flow: TunnelFlow
    private let tlsCode: Int
    private let transport: PoolTransport
    private let entrance: LinkEntrance
    private let exit: LinkExit
    private let report: (EndReport) -> Void
    private var throttle = HandshakeThrottle()
    private var session: Session?
    private var clientID: String?
    private var pending = 0
    private var rejections = ThinnedCount()
    private var isStopped = false

    init(
        spec: TunnelSpec,
        flow: TunnelFlow,
        acceptor: any LinkAcceptor,
        tunnel: TunnelContext,
        entrance: LinkEntrance,
        exit: LinkExit,
        report: @escaping (EndReport) -> Void
    ) {
        self.tunnel = tunnel
        self.flow = flow
        self.entrance = entrance
        self.exit = exit
        self.report = report
        tunnelKey = spec.effectiveKey
        token = HandshakeToken(tunnelKey: tunnelKey)
        tlsCode = spec.tls?.code ?? 0
        transport = spec.transport
        self.acceptor = acceptor
        tunnel.log.write(.info, "Pending tunnel handshake...")
    }

    /// Ends the session; nobody can come back in.
    func stop() {
        isStopped = true
        session?.end(TunnelError(.peerUnreachable, "stopped"))
    }

    // MARK: Connections on the tunnel's port

    /// What the next connection from `address` may be.
    enum Expectation {
        /// Only a handshake.
        case handshake
        /// A handshake or a link; the first byte tells.
        case firstByte
        /// The same, but a link's client says nothing before it has its id.
        case silence
    }

    func expectation(of address: String) -> Expectation {
        guard let session, !isStopped else { return .handshake }
        let proves = session.terms.extensions.contains(.linkProof)
        // A client of ours proves itself on every link, wherever it comes from; NodePass's is known by its address alone.
        guard proves || address == session.peer else { return .handshake }
        return proves || acceptor.clientSpeaksFirst ? .firstByte : .silence
    }

    /// Counts a connection that is not yet a link or refused; false when too many are, or the end is gone.
    func open() -> Bool {
        guard !isStopped, pending < TunnelLimits.meetingConnections else { return false }
        pending += 1
        return true
    }

    func closed() {
        pending -= 1
    }

    /// Makes a link, or several, of an accepted connection that `open` has counted; it has as long as a handshake to
    /// become one.
    func admit(_ channel: any Channel, first: ByteBuffer) {
        guard let session else {
            closed()
            return channel.close(promise: nil)
        }
        let patience = TimeAmount(tunnel.environment.handshakeTimeout)
        let address = LinkChannel(channel: channel, fingerprint: nil).peerName
        var isPending = true
        let deadline = channel.eventLoop.assumeIsolated().scheduleTask(in: patience) {
            self.rejected(address, "no link came of it in time")
            channel.cut()
        }
        let settle = {
            guard isPending else { return }
            isPending = false
            deadline.cancel()
            self.closed()
        }
        channel.closeFuture.assumeIsolated().whenComplete { _ in settle() }
        acceptor.accept(channel, first: first) { carrier in
            settle()
            session.greet(carrier)
        }
    }

    func rejected(_ address: String, _ why: String) {
        tunnel.counters.countRejected()
        guard let count = rejections.next() else { return }
        tunnel.log.write(.warn, "Connection from \(address) refused: \(why) (\(count) refused so far)")
    }

    // MARK: Handshake

    /// Judges a request; the answer's bytes come at once, or when a present client has been asked whether it is alive.
    func answer(_ request: HandshakeRequest, from address: String, then reply: @escaping (String) -> Void) {
        let now = NIODeadline.now()
        guard throttle.admits(address, now: now) else {
            rejected(address, "too many failed handshakes")
            return reply(refusal(.tooManyAttempts))
        }
        if let problem = request.problem(token: token) {
            throttle.failed(address, now: now)
            rejected(address, "handshake answered \(problem.status)")
            if problem == .unauthorized, session == nil {
                let message = "Unauthorized: a client at \(address) has another key"
                report(.rejected(TunnelError(.authFailed, message)))
            }
            return reply(refusal(problem))
        }
        guard let session else { return reply(begin(request, address)) }
        if let id = request.clientID, id == clientID {
            session.end(TunnelError(.peerUnreachable, "the client has come back"))
            return reply(begin(request, address))
        }
        session.probe { isAlive in
            guard !isAlive else {
                self.rejected(address, "another client (\(session.peer)) has the tunnel")
                return reply(self.refusal(.taken(by: session.peer)))
            }
            session.end(TunnelError(.peerUnreachable, "the client is gone; another takes its place"))
            reply(self.begin(request, address))
        }
    }

    func refusal(_ refusal: HandshakeRefusal) -> String {
        HandshakeReply.text(refusing: refusal, date: HTTPDate.text(Date()))
    }

    /// Starts a session for this client and says its terms.
    private func begin(_ request: HandshakeRequest, _ address: String) -> String {
        let wanted = request.extensions
        let terms = HandshakeTerms(
            flow: flow,
            max: max(tunnel.admission().plan.pool.max, 1),
            tls: tlsCode,
            transport: transport,
            extensions: wanted,
            nonce: wanted.isEmpty ? [] : SessionSecret.makeNonce()
        )
        clientID = request.clientID
        tunnel.log.write(
            .info,
            "Sending tunnel config: FLOW=\(flow.rawValue)|MAX=\(terms.max)|TLS=\(tlsCode)|TYPE=\(transport.codeText)"
        )
        let session = Session(
            terms: terms,
            side: .server,
            peer: address,
            tunnelKey: tunnelKey,
            tunnel: tunnel,
            entrance: entrance,
            exit: exit,
            dialer: nil,
            began: .now()
        ) { event in
            self.sessionEvent(event)
        }
        self.session = session
        entrance.session = session
        session.start()
        return HandshakeReply.text(terms: terms, date: HTTPDate.text(Date()))
    }

    private func sessionEvent(_ event: Session.Event) {
        switch event {
        case .established: report(.established(flow))
        case .ended(let error):
            session = nil
            entrance.session = nil
            clientID = nil
            report(.lost(error))
        case .strayBytes(let bytes):
            // A NodePass client that came back was taken for a link: now that we know, it finds the door open next time.
            guard case .request(let request) = HandshakeRequest.parse(bytes.readableBytesView),
                request.problem(token: token) == nil
            else { return }
            session?.end(TunnelError(.peerUnreachable, "the client has come back"))
        }
    }
}

/// The date of an HTTP header (RFC 9110 §5.6.7): `Mon, 23 Nov 2026 20:28:31 GMT`.
enum HTTPDate {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    static func text(_ date: Date) -> String {
        let parts = date.ISO8601Format().split { "-T:Z".contains($0) }
        let day = days[Int(date.timeIntervalSince1970 / 86400) % 7]
        let month = months[(Int(parts[1]) ?? 1) - 1]
        return "\(day), \(parts[2]) \(month) \(parts[0]) \(parts[3]):\(parts[4]):\(parts[5]) GMT"
    }
}
