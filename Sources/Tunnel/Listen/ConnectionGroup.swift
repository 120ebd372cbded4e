import NIOCore
import Synchronization

/// The connections accepted under one run of a tunnel, so that they can be counted, drained and cut
/// together.
///
/// A run that ends retires its group; the next run starts with a fresh one.
final class ConnectionGroup: Sendable {
    private struct State {
        var open: [ObjectIdentifier: any Channel] = [:]
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

    /// False when the group has been cut already; the caller closes the channel then.
    func add(_ channel: any Channel) -> Bool {
        state.withLock { state in
            guard !state.isCut else { return false }
            state.open[ObjectIdentifier(channel)] = channel
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
            return Array(state.open.values)
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
