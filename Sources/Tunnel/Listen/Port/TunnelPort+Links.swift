import Config
import NIOCore

/// What connections to the port become; on its loop only.
extension TunnelPort {
    /// What the next connection from an address may be.
    enum Expectation {
        /// Only a handshake.
        case handshake
        /// A handshake or a link; the first byte shows which.
        case firstByte
        /// The same, but a link's client says nothing before it has its id.
        case silence
    }

    /// The servers that are here now; each of them has links of the same kind.
    var ends: [ServerEnd] { tunnels.compactMap { $0.serverEnd?.value } }

    func expectation(of address: String) -> Expectation {
        guard let taker = takers(ofLinksFrom: address).first else { return .handshake }
        return taker.session.isProven || taker.end.acceptor(at: self.address.transport)?.clientSpeaksFirst == true
            ? .firstByte : .silence
    }

    /// Whether a connection from this address that begins so is one of the links' kind.
    func recognizes(_ first: UInt8, from address: String) -> Bool {
        takers(ofLinksFrom: address).first?.end.acceptor(at: self.address.transport)?.recognizes(first) == true
    }

    /// Whether a request for a WebSocket becomes a link now.
    func takesLink(_ request: HandshakeRequest) -> Bool {
        ends.contains { $0.session != nil && $0.acceptor(at: address.transport)?.recognizes(request) == true }
    }

    /// The terms of links from this address; nil where none is taken from there.
    func terms(ofLinksFrom address: String) -> HandshakeTerms? {
        takers(ofLinksFrom: address).first?.session.terms
    }

    private typealias Taker = (end: ServerEnd, session: Session)

    /// Whose link a connection from this address may be.
    ///
    /// A client of ours proves itself on every link, wherever it comes from. NodePass's is known by its address
    /// alone, so that all from there is taken for its links.
    private func takers(ofLinksFrom address: String) -> [Taker] {
        let all = ends.compactMap { end in end.session.map { (end, $0) } }
            .filter { $0.1.terms.transport.isOver(self.address.transport) }
        if let original = all.first(where: { $0.0.claimsLinks(from: address) }) { return [original] }
        return all.filter { $0.1.isProven }
    }

    func rejected(_ address: String, _ why: String) {
        first.rejected(address, why)
    }

    // MARK: Links

    /// Makes a link, or several, of an accepted connection, which keeps its place until it is
    /// proven and has as long as a handshake to become one.
    func admit(
        _ channel: any Channel,
        _ place: UnprovenPlace,
        _ descriptor: DescriptorPlace,
        _ opening: LinkOpening
    ) {
        let address = LinkChannel(channel: channel, fingerprint: nil).peerName
        let limit = UnprovenByteLimit(limitBytes: TunnelLimits.unprovenLinkBytes) {
            self.rejected(address, "it sent more than \(TunnelLimits.unprovenLinkBytes) bytes and proved no link")
        }
        guard let acceptor = takers(ofLinksFrom: address).first?.end.acceptor(at: self.address.transport),
            let entry = admit(from: address, place, descriptor, cut: { channel.cut() }, proven: { limit.lift() })
        else {
            place.leave()
            return channel.close(promise: nil)
        }
        try? channel.syncOptions?.setOption(
            .recvAllocator,
            value: .relay(maximum: first.environment.readBufferMaxBytes)
        )
        channel.closeFuture.assumeIsolated().whenComplete { _ in entry.closed() }
        place.grow(by: acceptor.openingBytes)
        try? channel.pipeline.syncOperations.addHandler(limit, position: .first)
        acceptor.accept(channel, opening, for: entry.links, deliver: entry.deliver)
    }

    /// What a connection that is not proven may do.
    struct UnprovenLinks {
        let links: LinkSession
        /// Makes a link of this channel.
        let deliver: (LinkChannel) -> Void
        /// To be called when the connection has ended.
        let closed: () -> Void
    }

    /// Lets a connection of any kind from this address deliver links; nil, with its place left, where there is no session.
    ///
    /// It is cut where no link follows in time; `proven` is called when one has.
    func admit(
        from address: String,
        _ place: UnprovenPlace,
        _ descriptor: DescriptorPlace? = nil,
        cut: @escaping () -> Void,
        proven: @escaping () -> Void = {}
    ) -> UnprovenLinks? {
        let sessions = takers(ofLinksFrom: address).map(\.session)
        guard let terms = sessions.first?.terms else {
            place.leave()
            return nil
        }
        for end in ends { end.refreshCertificate() }
        let patience = TimeAmount(first.environment.handshakeTimeout)
        let deadline = home.assumeIsolated().scheduleTask(in: patience) {
            self.rejected(address, "no link followed in time")
            cut()
        }
        var isProven = false
        let links = LinkSession(
            terms: terms,
            hasRoom: { sessions.contains { $0.hasRoom } },
            isProven: { isProven },
            takesRequest: { request in self.ends.contains { $0.place.takesLink(request) } },
            reject: { why in if !isProven { self.rejected(address, why) } }
        )
        return UnprovenLinks(links: links) { carrier in
            self.deliver(carrier, descriptor, to: sessions) {
                isProven = true
                deadline.cancel()
                place.leave()
                proven()
            }
        } closed: {
            deadline.cancel()
            place.leave()
        }
    }

    /// Gives a link to the session that it is proven to be of, whose tunnel is charged with its descriptor.
    private func deliver(
        _ carrier: LinkChannel,
        _ descriptor: DescriptorPlace?,
        to sessions: [Session],
        proven: @escaping () -> Void
    ) {
        func accept(_ session: Session, _ early: ByteBuffer) {
            proven()
            guard descriptor?.move(to: session.tunnel.descriptors, for: .link) != false else {
                session.tunnel.refuseUser()
                return carrier.channel.closeAtOnce()
            }
            session.accept(carrier, early: early)
        }
        if let session = sessions.first, !session.isProven { return accept(session, ByteBuffer()) }
        let patience = TimeAmount(first.environment.handshakeTimeout)
        let reader = ExactReader(length: LinkProof.lengthBytes, within: patience) { result in
            // A channel that ended before is closed by the reader.
            guard case .success((let bytes, let rest)) = result else { return }
            let proof = LinkProof(bytes)
            let session = sessions.count == 1 ? sessions[0] : sessions.first { $0.routes(proof) }
            guard let session, let proof, session.admits(proof, on: carrier) else {
                return self.rejectForged(carrier, session?.tunnel ?? self.first)
            }
            accept(session, rest)
        }
        try? carrier.channel.pipeline.syncOperations.addHandler(reader)
    }

    private func rejectForged(_ carrier: LinkChannel, _ tunnel: TunnelContext) {
        tunnel.counters.countRejected()
        tunnel.log.write(
            .warn,
            .forgedLink,
            "Link without proof of the tunnel key from \(carrier.peerName) closed"
        )
        carrier.channel.closeAtOnce()
    }
}
