import NIOCore
import Synchronization

/// The reactors of an engine: one for each core, started for the first listener that needs them.
final class ReactorGroup: Sendable {
    private enum State {
        case idle
        case started([Reactor])
        /// The system refused, or the switch is off: everything goes over channels.
        case unavailable
    }

    private let state: Mutex<State>
    private let pipes: Int

    /// `pipes` is how many each of them may hold.
    init(isWanted: Bool, pipes: Int) {
        state = Mutex(isWanted ? .idle : .unavailable)
        self.pipes = pipes
    }

    deinit {
        for reactor in running { reactor.shutDown() }
    }

    /// All of them, by their index; nil where there are none on this system.
    func started() -> [Reactor]? {
        state.withLock { state in
            if case .idle = state {
                let reactors = (0..<System.coreCount).compactMap { try? Reactor(index: $0, pipes: pipes) }
                state = reactors.count == System.coreCount ? .started(reactors) : .unavailable
            }
            guard case .started(let reactors) = state else { return nil }
            return reactors
        }
    }

    private var running: [Reactor] {
        state.withLock { state in
            guard case .started(let reactors) = state else { return [] }
            return reactors
        }
    }
}
