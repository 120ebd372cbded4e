#if QUIC
import CQUIC
import FoundationEssentials
import NIOCore

/// Pool type 1 on the client: links are streams of one connection, and of another where that is full.
///
/// Lives on the session's loop.
final class QUICLinkDialer: LinkDialer {
    struct Terms {
        let server: SocketAddress
        let timeout: TimeAmount
        /// Whether the server is one of ours; NodePass's takes the newest connection for the only one.
        let isOwn: Bool
        let trust: QUICTrust
        /// The certificates that the server may show; nil where nothing is known of them.
        let pin: CertificatePin?
        /// What the certificate is taken to be for, in messages.
        let name: String
    }

    private let terms: Terms
    private let environment: TunnelEnvironment
    private let descriptors: TunnelDescriptors
    private var connections: [Ready] = []
    private var connecting: EventLoopFuture<NIOLoopBound<Ready>>?

    private struct Ready {
        let connection: QUICConnection
        let fingerprint: String?
    }

    init(_ terms: Terms, _ environment: TunnelEnvironment, descriptors: TunnelDescriptors) {
        self.terms = terms
        self.environment = environment
        self.descriptors = descriptors
    }

    func dial(
        on loop: any EventLoop,
        for purpose: DescriptorPlan.Purpose
    ) -> EventLoopFuture<NIOLoopBound<LinkChannel>> {
        connections.removeAll { !$0.connection.isOpen }
        if let ready = connections.first(where: \.connection.hasRoom) { return open(on: ready, loop) }
        if !terms.isOwn, !connections.isEmpty { return loop.makeFailedFuture(NoStream()) }
        let connecting = connecting ?? connect(on: loop, for: purpose)
        let bound = NIOLoopBound(self, eventLoop: loop)
        return connecting.flatMap { bound.value.open(on: $0.value, loop) }
    }

    private func open(on ready: Ready, _ loop: any EventLoop) -> EventLoopFuture<NIOLoopBound<LinkChannel>> {
        guard let channel = ready.connection.open() else { return loop.makeFailedFuture(NoStream()) }
        let link = LinkChannel(channel: channel, fingerprint: ready.fingerprint)
        return loop.makeSucceededFuture(NIOLoopBound(link, eventLoop: loop))
    }

    private func connect(
        on loop: any EventLoop,
        for purpose: DescriptorPlan.Purpose
    ) -> EventLoopFuture<NIOLoopBound<Ready>> {
        guard let place = descriptors.place(for: purpose) else { return loop.makeFailedFuture(NoDescriptor()) }
        let promise = loop.makePromise(of: NIOLoopBound<Ready>.self)
        connecting = promise.futureResult
        promise.futureResult.assumeIsolated().whenComplete { result in
            self.connecting = nil
            if case .success(let ready) = result { self.connections.append(ready.value) }
        }
        do {
            let wildcard = terms.server.protocol == .inet6 ? "::" : "0.0.0.0"
            let socket = try QUICSocket(boundTo: SocketAddress(ipAddress: wildcard, port: 0))
            let endpoint = QUICEndpoint(socket, .single)
            endpoint.begin(on: loop).assumeIsolated().whenComplete { result in
                switch result {
                case .success(let channel):
                    place.keep(for: channel)
                    self.begin(endpoint, channel, promise)
                case .failure(let error): promise.fail(error)
                }
            }
        } catch {
            promise.fail(error)
        }
        return promise.futureResult
    }

    private func begin(
        _ endpoint: QUICEndpoint,
        _ channel: any Channel,
        _ promise: EventLoopPromise<NIOLoopBound<Ready>>
    ) {
        let connection = QUICConnection(
            remoteAddress: terms.server,
            isServer: false,
            isOfOwnPeer: terms.isOwn,
            endpoint: endpoint
        )
        let timeout = terms.timeout
        let deadline = channel.eventLoop.assumeIsolated().scheduleTask(in: timeout) {
            promise.fail(ChannelError.connectTimeout(timeout))
        }
        promise.futureResult.assumeIsolated().whenComplete { result in
            deadline.cancel()
            if case .failure = result { connection.cut() }
        }
        connection.events.ready = { [terms] in Self.admit(connection, terms, channel.eventLoop, promise) }
        connection.events.ended = { [terms] problem in
            promise.fail(Self.refusal(of: connection, terms) ?? problem ?? QUICProblem("the connection was closed"))
        }
        endpoint.hold(connection)
        var settings = cq_settings(
            isServer: false,
            isOwn: terms.isOwn,
            environment,
            secret: SessionSecret.makeNonce() + SessionSecret.makeNonce()
        )
        guard connection.connect(&settings, terms.trust, endpoint.path(of: terms.server)) else {
            promise.fail(QUICProblem("QUIC cannot be started"))
            return channel.close(promise: nil)
        }
        connection.changed()
    }

    /// Gives the connection if its certificate is the server's.
    private static func admit(
        _ connection: QUICConnection,
        _ terms: Terms,
        _ loop: any EventLoop,
        _ promise: EventLoopPromise<NIOLoopBound<Ready>>
    ) {
        let fingerprint = connection.peerCertificate.map { CertificateSummary.fingerprint(ofDER: $0) }
        let ready = NIOLoopBound(Ready(connection: connection, fingerprint: fingerprint), eventLoop: loop)
        guard let pin = terms.pin else { return promise.succeed(ready) }
        pin.admit(fingerprint).map { ready }.cascade(to: promise)
    }

    /// Why the server's certificate was not accepted, where that is what went wrong.
    private static func refusal(of connection: QUICConnection, _ terms: Terms) -> (any Error)? {
        let certificate = connection.peerCertificate
        switch connection.peerTrust {
        case CQ_OTHER_NAME:
            return CertificateRefusal(certificate: certificate, isForOtherName: true, name: terms.name, now: Date())
                .error
        case CQ_NOT_TRUSTED where certificate != nil:
            return CertificateRefusal(certificate: certificate, isForOtherName: false, name: terms.name, now: Date())
                .error
        default: return nil
        }
    }
}
#endif
