import Config
import NIOCore
import Synchronization

/// Where the clients of a server connect, or those of several servers that share the address.
///
/// Each socket has one; the servers behind it come and go. All of them live on one loop.
final class TunnelPort: Sendable {
    let address: ListenAddress
    let home: any EventLoop
    private let opener: TunnelContext
    /// Has the names of tunnels.
    private let board: ListenBoard
    private let unassigned: TunnelDescriptors
    private let members: Mutex<[Member]>
    private let opened: EventLoopPromise<Listener>
    private let closed: EventLoopPromise<Void>

    private struct Member {
        let tunnel: TunnelContext
        /// What it has come with; what it wants to have instead is compared with those of the others first.
        var door: ServerDoor?
    }

    init(_ address: ListenAddress, opener: TunnelContext, board: ListenBoard) {
        self.address = address
        self.opener = opener
        self.board = board
        home = opener.home
        unassigned = TunnelDescriptors(opener.descriptors.budget)
        members = Mutex([Member(tunnel: opener, door: address.door)])
        opened = home.makePromise()
        closed = home.makePromise()
        opener.enters(self)
    }

    /// The one that acts for all of them where none is meant, as in the log.
    var first: TunnelContext { members.withLock { $0.first?.tunnel } ?? opener }

    /// Of connections whose tunnel is not known yet: where there are several, they take nothing of one's part.
    var descriptors: TunnelDescriptors {
        members.withLock { $0.count == 1 ? $0[0].tunnel.descriptors : unassigned }
    }

    var tunnels: [TunnelContext] { members.withLock { $0.map(\.tunnel) } }

    /// Adds a tunnel; why it cannot be here, where it cannot.
    func add(_ tunnel: TunnelContext, _ door: ServerDoor?) -> TunnelError? {
        let problem = members.withLock { members -> TunnelError? in
            if let problem = conflict(of: tunnel, door, among: members) { return problem }
            guard tunnel.home === home else {
                let owner = members.first?.tunnel ?? opener
                return taken(by: owner, "restart this tunnel")
            }
            members.append(Member(tunnel: tunnel, door: door))
            return nil
        }
        if problem == nil { tunnel.enters(self) }
        return problem
    }

    /// A tunnel that is here has another door from now on; why it cannot, where others would be mistaken for it.
    func renew(_ tunnel: TunnelContext, _ door: ServerDoor) -> TunnelError? {
        members.withLock { members in
            guard let index = members.firstIndex(where: { $0.tunnel === tunnel }) else { return nil }
            if let problem = conflict(of: tunnel, door, among: members) { return problem }
            members[index].door = door
            return nil
        }
    }

    private func conflict(of tunnel: TunnelContext, _ door: ServerDoor?, among members: [Member]) -> TunnelError? {
        for other in members where other.tunnel !== tunnel {
            guard let othersDoor = other.door, let problem = door?.problem(beside: othersDoor) else { continue }
            return taken(by: other.tunnel, problem)
        }
        return nil
    }

    private func taken(by other: TunnelContext, _ problem: String) -> TunnelError {
        .taken(address, by: other.id, labeled: board.label(of: other.id), problem)
    }

    /// True when nobody is left.
    func remove(_ tunnel: TunnelContext) -> Bool {
        tunnel.leaves(self)
        return members.withLock { members in
            if let index = members.firstIndex(where: { $0.tunnel === tunnel }) { members.remove(at: index) }
            return members.isEmpty
        }
    }

    // MARK: The socket

    func hasOpened(_ result: Result<Listener, any Error>) {
        opened.completeWith(result)
        if case .failure = result { closed.succeed() }
    }

    /// The listener, once it is bound.
    func listener() async throws -> Listener { try await opened.futureResult.get() }

    func hasClosed() { closed.succeed() }

    /// Returns when its address is free again.
    func waitUntilClosed() async { try? await closed.futureResult.get() }
}

/// All tunnel ports of the process by address.
final class TunnelPorts: Sendable {
    /// One text for one host, as far as it is known without looking names up.
    private struct Place: Hashable {
        let host: String
        let port: UInt16
        let transport: TransportProtocol

        init(_ address: ListenAddress) {
            host = address.canonicalHost
            port = address.endpoint.port
            transport = address.transport
        }
    }

    private struct Entry {
        let port: TunnelPort
        /// The last tunnel has left, and the address is about to be free.
        var isClosing = false
    }

    private enum Arrival {
        case opens(TunnelPort)
        case joins(TunnelPort)
        case waits(for: TunnelPort)
        case refused(TunnelError)
    }

    private let entries = Mutex<[Place: Entry]>([:])
    private let board: ListenBoard

    init(board: ListenBoard) {
        self.board = board
    }

    /// On which loop the server of a spec has to live to share an address that others have; nil where it may be any.
    func home(of spec: TunnelSpec) -> (any EventLoop)? {
        guard spec.role == .server, spec.tunnel.port != 0 else { return nil }
        let place = Place(ListenAddress(spec.tunnel, .tcp))
        return entries.withLock { entries in
            entries[place].flatMap { $0.isClosing ? nil : $0.port.home }
        }
    }

    /// Has a tunnel listen at its key's address: beside others, or with a socket of its own, which `bind` makes;
    /// gives where it really listens, too.
    func enter(
        _ key: ListenKey,
        _ tunnel: TunnelContext,
        bind: (TunnelPort) async throws(TunnelError) -> Listener
    ) async throws(TunnelError) -> (TunnelPort, Endpoint) {
        while true {
            switch arrive(key.address, tunnel) {
            case .refused(let error): throw error
            case .waits(let port): await port.waitUntilClosed()
            case .joins(let port):
                do {
                    return (port, try await port.listener().address)
                } catch {
                    await leave(port, tunnel)
                    throw error as? TunnelError ?? TunnelError.binding(key.endpoint, key.transport, error)
                }
            case .opens(let port):
                do throws(TunnelError) {
                    let listener = try await bind(port)
                    port.hasOpened(.success(listener))
                    return (port, listener.address)
                } catch {
                    forget(port)
                    port.hasOpened(.failure(error))
                    throw error
                }
            }
        }
    }

    /// Returns, where the tunnel was the last one there, when other sockets can bind the address.
    func leave(_ port: TunnelPort, _ tunnel: TunnelContext) async {
        let isLast = entries.withLock { entries in
            guard port.remove(tunnel) else { return false }
            let place = Place(port.address)
            if entries[place]?.port === port { entries[place]?.isClosing = true }
            return true
        }
        guard isLast, let listener = try? await port.listener() else { return }
        await listener.close()
        forget(port)
        port.hasClosed()
    }

    private func arrive(_ address: ListenAddress, _ tunnel: TunnelContext) -> Arrival {
        // The system chooses another port each time.
        guard address.endpoint.port != 0 else { return .opens(TunnelPort(address, opener: tunnel, board: board)) }
        return entries.withLock { entries in
            let place = Place(address)
            guard let entry = entries[place] else {
                let port = TunnelPort(address, opener: tunnel, board: board)
                entries[place] = Entry(port: port)
                return .opens(port)
            }
            if entry.isClosing { return .waits(for: entry.port) }
            return entry.port.add(tunnel, address.door).map { .refused($0) } ?? .joins(entry.port)
        }
    }

    private func forget(_ port: TunnelPort) {
        entries.withLock { entries in
            let place = Place(port.address)
            if entries[place]?.port === port { entries[place] = nil }
        }
    }
}
