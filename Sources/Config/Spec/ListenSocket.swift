/// A socket that a tunnel listens with, and who is to connect to it.
package struct ListenSocket: Sendable, Hashable {
    package enum Purpose: Sendable, Hashable {
        /// Users of a client without a server; each gets a connection to the target.
        case single
        /// Users of a tunnel with two ends; each gets a link.
        case entry
        /// The client of a server: its handshakes and links.
        case links
    }

    package let address: ListenAddress
    package let purpose: Purpose

    package init(_ address: ListenAddress, _ purpose: Purpose) {
        self.address = address
        self.purpose = purpose
    }

    package var endpoint: Endpoint { address.endpoint }
    package var transport: TransportProtocol { address.transport }

    /// The key of the manifest that names the address.
    package var path: String { purpose == .entry ? "target" : "tunnel" }
}

/// Which addresses a tunnel takes: the one answer for lint, plans, conflicts and the engine.
extension TunnelSpec {
    /// What it listens with in a mode that is not `auto` any more; TCP comes first.
    ///
    /// `isClientEntry` is whether users come in at the client, which its server decides.
    package func listenSockets(mode: TunnelMode, isClientEntry: Bool) -> [ListenSocket] {
        switch (role, mode) {
        case (.client, .one): userSockets(at: tunnel, .single)
        case (.client, _): isClientEntry ? userSockets(at: targets.first, .entry) : []
        case (.server, .one): userSockets(at: targets.first, .entry) + linkSockets
        case (.server, _): linkSockets
        }
    }

    /// What it may listen with: in either mode of `auto`, and whichever way its server wants users.
    package var possibleSockets: [ListenSocket] {
        var seen = Set<ListenSocket>()
        return outcomes.joined().filter { seen.insert($0).inserted }
    }

    /// What it listens with in every case.
    ///
    /// A client in mode `auto` listens at an address of this machine unless another socket has it:
    /// two tunnels that want it are a conflict.
    package var certainSockets: [ListenSocket] {
        if role == .client, mode == .auto, tunnel.isUnspecified || tunnel.isLoopback {
            return listenSockets(mode: .one, isClientEntry: false)
        }
        let rest = outcomes.dropFirst()
        return (outcomes.first ?? []).filter { socket in rest.allSatisfy { $0.contains(socket) } }
    }

    package var possibleAddresses: Set<ListenAddress> { Set(possibleSockets.map(\.address)) }

    package var certainAddresses: Set<ListenAddress> { Set(certainSockets.map(\.address)) }

    /// A target has the tunnel's own port on this machine, so that the tunnel would connect to
    /// itself.
    ///
    /// NodePass's rule: the target is on this machine, or the tunnel has every address of it.
    var connectsToItself: Bool {
        guard tunnel.port != 0, certainSockets.contains(where: { $0.path == "tunnel" }) else { return false }
        return targets.contains { target in
            target.port == tunnel.port && (target.isLoopback || target.isUnspecified || tunnel.isUnspecified)
        }
    }

    /// The sockets of each way the tunnel can turn out.
    private var outcomes: [[ListenSocket]] {
        let modes: [TunnelMode] = mode == .auto ? [.one, .two] : [mode]
        return modes.flatMap { mode in
            let entries = role == .client && mode == .two ? [false, true] : [false]
            return entries.map { listenSockets(mode: mode, isClientEntry: $0) }
        }
    }

    private func userSockets(at endpoint: Endpoint?, _ purpose: ListenSocket.Purpose) -> [ListenSocket] {
        guard let endpoint else { return [] }
        return TransportProtocol.allCases.filter(protocols.contains).map {
            ListenSocket(ListenAddress(endpoint, $0), purpose)
        }
    }

    /// QUIC's links are UDP; its handshake is TCP all the same.
    private var linkSockets: [ListenSocket] {
        let transports: [TransportProtocol] = transports.contains(.quic) ? [.tcp, .udp] : [.tcp]
        let door = ServerDoor(self)
        return transports.map { ListenSocket(ListenAddress(tunnel, $0, door: door), .links) }
    }
}
