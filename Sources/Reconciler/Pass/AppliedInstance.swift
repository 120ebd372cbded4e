import Tunnel

/// What became of one tunnel after a reconcile was asked for.
package struct AppliedInstance: Sendable, Hashable {
    package enum Outcome: String, Sendable, Hashable, CaseIterable {
        /// It runs, or is stopped, as it should be.
        case applied
        /// It is as it should be, and looks for its other end.
        case waiting
        /// It has not got there in the time that was given.
        case pending
        case failed
    }

    /// How long a tunnel may look for its other end before a reconcile that waits calls it `waiting`.
    static let peerPatience = Duration.seconds(3)

    package let instance: Instance
    package let outcome: Outcome

    /// `patience`: how much longer to wait for a tunnel that looks for its other end.
    init(_ instance: Instance, patience: Duration) {
        self.instance = instance
        outcome =
            switch instance.phase {
            case .ready: .applied
            case .draining, .stopping, .stopped: instance.shouldRun ? .pending : .applied
            case .backoff, .failed: .failed
            case .connecting: patience > .zero ? .pending : .waiting
            case .starting: .pending
            }
    }
}
