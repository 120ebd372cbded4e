import Config

/// How a server takes links of each kind that it offers.
struct LinkAcceptors {
    /// Over TCP, and over UDP, in the order that they are offered.
    private let all: [(transport: PoolTransport, acceptor: any LinkAcceptor)]

    init(_ spec: TunnelSpec, _ stream: StreamLinkAcceptor) {
        all = spec.transports.map { transport in
            (transport, Self.acceptor(of: transport, stream, place: HandshakePlace(spec)))
        }
    }

    /// For what comes to a port of the server while links of this kind are wanted, or none yet.
    func acceptor(at port: TransportProtocol, for transport: PoolTransport?) -> (any LinkAcceptor)? {
        let here = all.filter { $0.transport.isOver(port) }
        return (here.first { $0.transport == transport } ?? here.first)?.acceptor
    }

    private static func acceptor(
        of transport: PoolTransport,
        _ stream: StreamLinkAcceptor,
        place: HandshakePlace
    ) -> any LinkAcceptor {
        switch transport {
        case .websocket: WebSocketLinkAcceptor(stream: stream, place: place)
        case .http2: HTTP2LinkAcceptor(stream: stream)
        case .quic: quicAcceptor(stream)
        case .tcp, .unknown: stream
        }
    }

    private static func quicAcceptor(_ stream: StreamLinkAcceptor) -> any LinkAcceptor {
        #if QUIC
        // A server with QUIC always has a certificate.
        if let credentials = stream.credentials { return QUICLinkAcceptor(credentials: credentials) }
        #endif
        return stream
    }
}

extension PoolTransport {
    func isOver(_ port: TransportProtocol) -> Bool { (self == .quic) == (port == .udp) }
}
