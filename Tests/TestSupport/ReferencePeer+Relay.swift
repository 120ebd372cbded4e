import NIOCore
import NIOPosix

extension ReferencePeer {
    /// Plays the exit: connects every link that a `tcp` signal names to a port of 127.0.0.1, until it is cancelled.
    package func serveTCP(target port: Int) async throws {
        try await withThrowingDiscardingTaskGroup { relays in
            while true {
                let signal = try await nextSignal("tcp", limit: nil)
                relays.addTask {
                    guard let link = try? await self.claim(id: signal.id ?? "") else { return }
                    guard let target = try? await ReferenceLink.connect(port: port) else { return await link.close() }
                    await self.relay(target, link)
                }
            }
        }
    }

    /// Opens a free port of 127.0.0.1 for users; they wait until the script or `serveUsers` takes them.
    package func openEntry() async throws -> ReferenceEntry {
        let users = Awaited<[ReferenceLink]>([])
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    self.track(channel)
                    let inbox = Awaited(ReferenceLink.Inbox())
                    try channel.pipeline.syncOperations.addHandler(InboxFillingHandler(inbox))
                    users.change { $0.append(ReferenceLink(channel: channel, inbox: inbox)) }
                }
            }
            .bind(host: "127.0.0.1", port: try FreePorts.one())
            .get(within: .seconds(30), "the bind of an entry")
        track(listener)
        return ReferenceEntry(port: listener.localAddress?.port ?? 0, users: users)
    }

    /// Plays the entry: gives every user a link and signals it, until it is cancelled.
    package func serveUsers(of entry: ReferenceEntry) async throws {
        try await withThrowingDiscardingTaskGroup { relays in
            while true {
                let user = try await entry.nextUser(limit: nil)
                relays.addTask {
                    guard let link = try? await self.enter(user) else { return await user.close() }
                    await self.relay(user, link)
                }
            }
        }
    }

    private func enter(_ user: ReferenceLink) async throws -> ReferenceLink {
        let link = try await takeLink()
        if manners.contains(.sendsBytesBeforeSignal) { try await link.write(try await user.next()) }
        let remote = user.channel.remoteAddress.flatMap { address in
            address.ipAddress.flatMap { ip in address.port.map { "\(ip):\($0)" } }
        }
        try send(ReferenceSignal("tcp", remote: remote, id: link.id))
        return link
    }

    private func relay(_ local: ReferenceLink, _ link: ReferenceLink) async {
        await withDiscardingTaskGroup { directions in
            directions.addTask { await self.copy(from: local, to: link) }
            directions.addTask { await self.copy(from: link, to: local) }
        }
        await local.close()
        await link.close()
    }

    private func copy(from source: ReferenceLink, to sink: ReferenceLink) async {
        while let bytes = try? await source.next(), bytes.readableBytes > 0 {
            guard (try? await sink.write(bytes)) != nil else { break }
        }
        guard manners.contains(.neverHalfCloses) else {
            try? await sink.endOutput()
            return
        }
        await sink.close()
        await source.close()
    }
}

/// The port where a peer that plays the entry takes its users.
package struct ReferenceEntry: Sendable {
    package let port: Int
    let users: Awaited<[ReferenceLink]>

    func nextUser(limit: Duration?) async throws -> ReferenceLink {
        try await users.wait(for: "a user", limit: limit) { $0.isEmpty ? nil : $0.removeFirst() }
    }
}
