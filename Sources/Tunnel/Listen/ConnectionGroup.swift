import Config
import FoundationEssentials
import NIOCore
import Synchronization

/// The connections accepted under one run of a tunnel, so that they can be counted, drained and cut
/// together.
///
/// A run that ends retires its group; the next run starts with a fresh one.
final class ConnectionGroup: Sendable {
    /// Whose connection it is.
    enum User: Sendable {
        /// The channel is the user's own socket.
        case remote
        /// The channel is a link that this user of the other end has, or the target's socket of a UDP session.
        case named(String, TransportProtocol)
    }

    struct Member: Sendable {
        let channel: any Channel
        let user: User
        let since: Date
    }

    private struct State {
        var open: [ObjectIdentifier: Member] = [:]
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

    /// False when the group has been cut already; the caller closes the channel then.
    func add(_ channel: any Channel, of user: User = .remote) -> Bool {
        state.withLock { state in
            guard !state.isCut else { return false }
            state.open[ObjectIdentifier(channel)] = Member(channel: channel, user: user, since: Date())
            return true
        }
    }

    func remove(_ channel: any Channel) {
        let callbacks = state.withLock { state in
            state.open[ObjectIdentifier(channel)] = nil
            return state.open.isEmpty ? state.takeCallbacks() : []
        }
        for callback in callbacks { callback() }
    }

    /// Closes every connection, and each that still comes.
    func cut() {
        let channels = state.withLock { state in
            state.isCut = true
            return state.open.values.map(\.channel)
        }
        for channel in channels { channel.eventLoop.execute { channel.closeAtOnce() } }
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
        switch user {
        case .remote:
            let counts = await KernelCounts.of(channel)
            let name = channel.remoteAddress.map { Endpoint($0).description } ?? ""
            return UserConnection(
                user: name,
                transport: .tcp,
                since: since,
                received: counts?.received,
                sent: counts?.sent
            )
        case .named(let name, .tcp):
            // What is written to the link has come from the target, which is this end's side.
            let counts = await KernelCounts.of(channel)
            return UserConnection(
                user: name,
                transport: .tcp,
                since: since,
                received: counts?.sent,
                sent: counts?.received
            )
        case .named(let name, .udp):
            return UserConnection(user: name, transport: .udp, since: since)
        }
    }
}
