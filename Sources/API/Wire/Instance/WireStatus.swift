package import Tunnel

/// What v1.14's `status` can say; everything finer is in `phase` and `reason`.
package enum WireStatus: String, Sendable, CaseIterable {
    case running
    case stopped
    case error

    package init(_ phase: TunnelPhase) {
        switch phase {
        case .starting, .connecting, .ready: self = .running
        case .draining, .stopping, .stopped: self = .stopped
        case .backoff, .failed: self = .error
        }
    }
}
