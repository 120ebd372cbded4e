import Config
import NIOCore

/// Which server a client means; on the port's loop only.
extension TunnelPort {
    enum Choice {
        case end(ServerEnd)
        /// None of them.
        case none(HandshakeRefusal.Misdirection)
        /// This one, whose client could be another's.
        case indistinct(ServerEnd, HandshakeRefusal.Misdirection)
    }

    /// The server that a handshake is for; nil where there is none at all.
    func choice(for request: HandshakeRequest, from address: String) -> Choice? {
        let all = ends
        let here = all.filter { $0.place.problem(with: request) == nil }
        guard let first = here.first ?? all.first else { return nil }
        // The server answers what is wrong with it.
        guard !here.isEmpty else { return .end(first) }
        return request.sealedOffer.map { choice(for: $0, among: here, from: address) }
            ?? choice(byTokenOf: request, among: here, from: address)
    }

    private func choice(for offer: SealedOffer, among ends: [ServerEnd], from address: String) -> Choice {
        let meant = ends.filter { offer.names($0.service) }
        guard let end = meant.first(where: { $0.takesSealed }) ?? meant.first else {
            let isNamed = offer.serviceDigest != nil
            return .none(isNamed ? .unknown : .unnamed)
        }
        return distinct(end, from: address, hasProofs: true)
    }

    private func choice(
        byTokenOf request: HandshakeRequest,
        among ends: [ServerEnd],
        from address: String
    ) -> Choice {
        guard ends.count > 1 else { return .end(ends[0]) }
        // It answers so, whatever the key.
        if let refusing = ends.first(where: { $0.refuses(address) }) { return .end(refusing) }
        let meant = ends.filter { $0.takesToken(of: request) }
        guard let end = meant.first else {
            // Otherwise as many keys could be tried as there are servers.
            for end in ends.dropFirst() { end.noteFailure(of: address) }
            return .end(ends[0])
        }
        guard meant.count == 1 else { return .indistinct(end, .sameKey) }
        return distinct(end, from: address, hasProofs: !request.extensions.isEmpty)
    }

    /// Links of v1.14 are known by their address alone.
    private func distinct(_ end: ServerEnd, from address: String, hasProofs: Bool) -> Choice {
        let others = ends.filter { $0 !== end }
        let isClaimed = others.contains { $0.claimsLinks(from: address) }
        let wouldClaim =
            !hasProofs && !others.isEmpty
            && (!end.checksAddress || others.contains { $0.session?.peer == address })
        return isClaimed || wouldClaim ? .indistinct(end, .sameAddress) : .end(end)
    }
}
