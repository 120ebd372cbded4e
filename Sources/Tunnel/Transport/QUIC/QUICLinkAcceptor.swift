#if QUIC
import CQUIC
import Config
import Crypto
import NIOCore

/// Pool type 1 on the server: the tunnel's TCP port has handshakes only, links come to its UDP port.
struct QUICLinkAcceptor: LinkAcceptor {
    let credentials: ServerCredentials

    var checksAddress: Bool { true }
    var clientSpeaksFirst: Bool { true }
    var openingBytes: Int { 0 }

    func recognizes(_ first: UInt8) -> Bool { false }
    func recognizes(_ request: HandshakeRequest) -> Bool { false }

    func accept(
        _ channel: any Channel,
        _ opening: LinkOpening,
        for session: LinkSession,
        deliver: @escaping (LinkChannel) -> Void
    ) {
        channel.close(promise: nil)
    }

    /// Binds the UDP port of servers whose links are QUIC's.
    static func bind(_ address: SocketAddress, at port: TunnelPort) -> EventLoopFuture<any Channel> {
        port.home.flatSubmit {
            do {
                let endpoint = QUICEndpoint(try QUICSocket(boundTo: address), .server(door(of: port)))
                return endpoint.begin(on: port.home)
            } catch {
                return port.home.makeFailedFuture(error)
            }
        }
    }

    private static func door(of port: TunnelPort) -> QUICDoor {
        // Derived, because resets are for clients of a process that is gone; of nothing that can be guessed,
        // because strangers get them.
        let place = Array(port.address.endpoint.description.utf8)
        let secret = Array(SHA256.hash(data: port.first.tokenSecret + place))
        return QUICDoor(
            secret: secret,
            visit: { visit(of: port, from: $0, secret) },
            accepts: { connection, address in
                connection.isOfOwnPeer || Endpoint(address).host == Endpoint(connection.remoteAddress).host
            },
            place: { port.descriptors.place(for: .link) }
        )
    }

    /// What a connection from this address gets; nil where no session takes links from there.
    private static func visit(
        of port: TunnelPort,
        from address: SocketAddress,
        _ secret: [UInt8]
    ) -> QUICVisit? {
        guard let terms = port.terms(ofLinksFrom: Endpoint(address).host),
            let acceptor = port.ends.first?.acceptor(at: .udp) as? QUICLinkAcceptor
        else { return nil }
        let loaded = acceptor.credentials.current()
        let tunnel = port.first
        guard let credentials = loaded.quic else {
            tunnel.log.write(.error, .verification, "The certificate cannot be used for QUIC: GnuTLS does not take it")
            return nil
        }
        let isOwn = !terms.extensions.isEmpty
        return QUICVisit(
            settings: cq_settings(isServer: true, isOwn: isOwn, tunnel.environment, secret: secret),
            isOwn: isOwn,
            credentials: credentials
        ) { connection in
            begin(connection, at: port, loaded.certificate.fingerprint)
        }
    }

    private static func begin(_ connection: QUICConnection, at port: TunnelPort, _ fingerprint: String) {
        let bound = NIOLoopBound(connection, eventLoop: port.home)
        let place = port.first.unproven.enter(
            from: IPAddress(connection.remoteAddress),
            bytes: TunnelLimits.unprovenQUICBytes
        ) {
            bound.eventLoop.execute { bound.value.cut() }
        }
        let address = Endpoint(connection.remoteAddress).host
        let entry = port.admit(from: address, place, cut: { connection.cut() }, proven: { connection.proven() })
        guard let entry else { return connection.cut() }
        connection.events.ended = { problem in
            if let problem { entry.links.reject(problem.words) }
            entry.closed()
        }
        connection.events.opened = { channel in
            guard entry.links.hasRoom() else { return channel.close(promise: nil) }
            entry.deliver(LinkChannel(channel: channel, fingerprint: fingerprint))
        }
    }
}
#endif
