import Synchronization

/// Where the API listens on TCP, or why it does not yet: for those who reach it through its socket.
package final class ListenerBoard: Sendable {
    private struct State {
        var address = ""
        var problem: String?
    }

    private let state = Mutex(State())

    package init() {}

    package func take(_ report: APIListener.Report) {
        guard !report.address.isSocket else { return }
        state.withLock { state in
            switch report {
            case .open(let address): state = State(address: address.description, problem: nil)
            case .waiting(let address, let problem): state = State(address: address.description, problem: problem)
            }
        }
    }

    /// Empty before the listener has begun.
    var address: String { state.withLock { $0.address } }
    var problem: String? { state.withLock { $0.problem } }
}
