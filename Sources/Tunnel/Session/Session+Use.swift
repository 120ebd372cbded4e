import Config
import NIOCore

/// Links given to users: taken by the entry, served by the exit.
extension Session {
    /// The entry's side: the oldest idle link, named to the exit for this user; nil when there is none.
    func open(_ transport: TransportProtocol, user: String) -> Link? {
        guard serves else { return nil }
        defer {
            noteIdle()
            refill()
        }
        while let id = pool.take(sparing: spared, now: .now()) {
            guard let link = links.removeValue(forKey: id), link.channel.isActive else { continue }
            if terms.extensions.contains(.refuse) {
                used[id] = link.channel
                link.channel.closeFuture.assumeIsolated().whenComplete { _ in self.used[id] = nil }
            }
            send(.open(transport, id: id, user: user))
            return link
        }
        return nil
    }

    /// Idle links to leave for the peer, as far as there can be any.
    var spared: Int {
        control.awaitsPeersPick ? min(TunnelLimits.sparedLinks, terms.max - 1) : 0
    }

    /// The exit's side: the peer has taken link `id` for a user.
    func serve(_ id: LinkID, _ claim: Claim) {
        switch pool.claim(id, now: .now()) {
        case .taken:
            if let link = links.removeValue(forKey: id) { use(link, claim) }
        case .ended:
            // Without it the user has gone too: the entry's end of the link has closed by itself.
            if let link = fading.removeValue(forKey: id) { use(link, claim) }
        case .unknown: wait(for: id, claim)
        }
        noteIdle()
        refill()
    }

    func wait(for id: LinkID, _ claim: Claim) {
        guard awaited.count < TunnelLimits.awaitedLinks else { return refuse(id, "too many unknown links") }
        awaited[id] = claim
        loop.assumeIsolated().scheduleTask(in: TimeAmount(tunnel.environment.poolGetTimeout)) {
            guard !self.hasEnded, self.awaited.removeValue(forKey: id) != nil else { return }
            self.control.missedLink()
            self.tunnel.log.write(.error, "The peer named link \(id), which never came")
            self.refuse(id, "the link never came")
        }
    }

    func use(_ link: Link, _ claim: Claim) {
        let session = self
        exit.serve(link, claim, framed: terms.extensions.contains(.datagramFrames)) { why in
            session.refuse(link.id, why)
        }
    }

    private func refuse(_ id: LinkID, _ why: String) {
        guard !hasEnded, terms.extensions.contains(.refuse) else { return }
        send(.refuse(id: id, why: why))
    }
}
