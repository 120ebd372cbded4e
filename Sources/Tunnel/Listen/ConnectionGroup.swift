import NIOCore
import Synchronization

/// The connections accepted under one run of a tunnel, so that they can be counted, drained and cut
/// together.
///
/// A run that ends retires its group; the next run starts with a fresh one.
final class ConnectionGroup: Sendable {
    /// One of its connections.
    enum Member: Sendable {
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

    private struct State {
        var open: [Member.Key: Member] = [:]
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

    func add(_ channel: any Channel) -> Bool { add(.channel(channel)) }

    func remove(_ channel: any Channel) { remove(.channel(channel)) }

    /// False when the group has been cut already; the caller closes the connection then.
    func add(_ member: Member) -> Bool {
        state.withLock { state in
            guard !state.isCut else { return false }
            state.open[member.key] = member
            return true
        }
    }

    func remove(_ member: Member) {
        let callbacks = state.withLock { state in
            state.open[member.key] = nil
            return state.open.isEmpty ? state.takeCallbacks() : []
        }
        for callback in callbacks { callback() }
    }

    /// Closes every connection, and each that still comes.
    func cut() {
        let members = state.withLock { state in
            state.isCut = true
            return Array(state.open.values)
        }
        for member in members { member.cut() }
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
