import Config
import FoundationEssentials
import NIOCore
import Synchronization

/// The connections accepted under one run of a tunnel, so that they can be counted, drained and cut
/// together.
///
/// A run that ends retires its group; the next run starts with a fresh one.
final class ConnectionGroup: Sendable {
    /// What carries a user.
    enum Carrier: Sendable {
        case channel(any Channel)
        case pair(Reactor, RelayToken)

        fileprivate enum Key: Hashable {
            case channel(ObjectIdentifier)
            case pair(ObjectIdentifier, RelayToken)
        }

        fileprivate var key: Key {
            switch self {
            case .channel(let channel): .channel(ObjectIdentifier(channel))
            case .pair(let reactor, let pair): .pair(ObjectIdentifier(reactor), pair)
            }
        }

        fileprivate func cut() {
            switch self {
            case .channel(let channel): channel.eventLoop.execute { channel.closeAtOnce() }
            case .pair(let reactor, let pair): reactor.submit { $0.cut(pair) }
            }
        }
    }

    /// Whose connection it is.
    enum User: Sendable {
        /// The channel is the user's own socket.
        case remote
        /// The pair's near socket is this user's.
        case address(SocketBytes)
        /// The channel is a link that this user of the other end has, or the target's socket of a UDP session.
        case named(String, TransportProtocol)
    }

    struct Member: Sendable {
        let carrier: Carrier
        let user: User
        let since: Date
    }

    private struct State {
        var open: [Carrier.Key: Member] = [:]
        var isCut = false
        var whenEmpty: [@Sendable () -> Void] = []

        mutating func takeCallbacks() -> [@Sendable () -> Void] {
            defer { whenEmpty = [] }
            return whenEmpty
        }
    }

    private let state = Mutex(State())

    /// Nothing of it may take long any more.
    var isCut: Bool { state.withLock { $0.isCut } }

    var count: Int { state.withLock { $0.open.count } }

    var members: [Member] { state.withLock { Array($0.open.values) } }

    func add(_ channel: any Channel, of user: User = .remote) -> Bool { add(.channel(channel), of: user) }

    func remove(_ channel: any Channel) { remove(.channel(channel)) }

    /// False when the group has been cut already; the caller closes the connection then.
    func add(_ carrier: Carrier, of user: User) -> Bool {
        state.withLock { state in
            guard !state.isCut else { return false }
            state.open[carrier.key] = Member(carrier: carrier, user: user, since: Date())
            return true
        }
    }

    func remove(_ carrier: Carrier) {
        let callbacks = state.withLock { state in
            state.open[carrier.key] = nil
            return state.open.isEmpty ? state.takeCallbacks() : []
        }
        for callback in callbacks { callback() }
    }

    /// Closes every connection, and each that still comes.
    func cut() {
        let carriers = state.withLock { state in
            state.isCut = true
            return state.open.values.map(\.carrier)
        }
        for carrier in carriers { carrier.cut() }
    }

    /// Calls back once there is no connection, at once if there is none now.
    func whenEmpty(_ callback: @escaping @Sendable () -> Void) {
        let isEmpty = state.withLock { state in
            if !state.open.isEmpty { state.whenEmpty.append(callback) }
            return state.open.isEmpty
        }
        if isEmpty { callback() }
    }
}

extension ConnectionGroup.Member {
    /// What a list shows of it.
    func shown() async -> UserConnection {
        let counts = await carrier.counts
        switch user {
        case .remote: return shown(remoteName, counts?.received, counts?.sent)
        case .address(let address):
            let name = SocketAddress(address).map { Endpoint($0).description } ?? ""
            return shown(name, counts?.received, counts?.sent)
        // What is written to the link has come from the target, which is this end's side.
        case .named(let name, .tcp): return shown(name, counts?.sent, counts?.received)
        case .named(let name, .udp): return UserConnection(user: name, transport: .udp, since: since)
        }
    }

    private var remoteName: String {
        guard case .channel(let channel) = carrier else { return "" }
        return channel.remoteAddress.map { Endpoint($0).description } ?? ""
    }

    private func shown(_ name: String, _ received: UInt64?, _ sent: UInt64?) -> UserConnection {
        UserConnection(user: name, transport: .tcp, since: since, received: received, sent: sent)
    }
}

extension ConnectionGroup.Carrier {
    fileprivate var counts: KernelCounts? {
        get async {
            switch self {
            case .channel(let channel): await KernelCounts(of: channel)
            case .pair(let reactor, let pair):
                await withCheckedContinuation { done in
                    reactor.submit(or: { done.resume(returning: nil) }) { core in
                        done.resume(returning: core.nearDescriptor(of: pair).flatMap { KernelCounts(of: $0) })
                    }
                }
            }
        }
    }
}
