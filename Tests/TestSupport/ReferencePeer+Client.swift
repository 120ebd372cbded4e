import NIOCore
import NIOPosix
import NIOSSL

extension ReferencePeer {
    /// Shakes hands with a server on a port of 127.0.0.1 and keeps `min` idle links from then on.
    ///
    /// `trust` names a PEM file of authorities and `serverName` the name to check; only `tls=2` uses them.
    package static func client(
        port: Int,
        key: String,
        min: Int = 4,
        trust: String? = nil,
        serverName: String? = nil,
        manners: Manners = [],
        report: Duration = .seconds(5)
    ) async throws -> ReferencePeer {
        let shown = ReferenceCodec(key: manners.contains(.showsWrongToken) ? key + "x" : key)
        let request = ReferenceHandshake.request(token: shown.token, host: serverName ?? "none")
        let terms = try await handshake(request, port: port)
        let peer = ReferencePeer(
            role: .client,
            port: port,
            key: key,
            manners: manners,
            report: report,
            pause: .zero,
            tls: try clientTLS(terms, trust: trust, serverName: serverName)
        )
        peer.state.change { state in
            state.request = request
            state.terms = terms
            state.phase = .pool
        }
        for _ in 0...min { peer.dial() }
        return peer
    }

    private static func handshake(_ request: String, port: Int) async throws -> ReferenceTerms {
        let connection = try await ReferenceLink.connect(port: port)
        try await connection.write(request)
        let reply = String(buffer: try await connection.readToEnd())
        await connection.close()
        return try ReferenceHandshake.terms(reply)
    }

    private static func clientTLS(_ terms: ReferenceTerms, trust: String?, serverName: String?) throws -> TLS? {
        guard terms.tls != "0" else { return nil }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv13
        configuration.shutdownTimeout = .milliseconds(100)
        guard terms.tls == "2" else {
            configuration.certificateVerification = .none
            return .client(try NIOSSLContext(configuration: configuration), name: nil)
        }
        if let trust { configuration.trustRoots = .file(trust) }
        return .client(try NIOSSLContext(configuration: configuration), name: serverName)
    }

    /// Adds a link to the pool, in time; what fails is tried again.
    func dial() {
        ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    self.track(channel)
                    try self.addLinkHandlers(to: channel)
                }
            }
            .connect(host: "127.0.0.1", port: port)
            .whenFailure { self.redial(after: $0) }
    }

    func redial(after failure: any Error) {
        let goesOn = state.change { state in
            state.failedDials += 1
            state.lastFailure = failure
            return state.phase == .pool && state.failedDials < Self.failedDialLimit
        }
        guard goesOn else { return }
        MultiThreadedEventLoopGroup.singleton.any().scheduleTask(in: Self.redialPause) { self.dial() }
    }
}

extension ReferenceLink {
    /// A plain connection to a port of 127.0.0.1.
    static func connect(port: Int) async throws -> ReferenceLink {
        let inbox = Awaited(Inbox())
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(InboxFillingHandler(inbox))
                }
            }
            .connect(host: "127.0.0.1", port: port)
            .get(within: .seconds(30), "a connection to port \(port)")
        return ReferenceLink(channel: channel, inbox: inbox)
    }
}
