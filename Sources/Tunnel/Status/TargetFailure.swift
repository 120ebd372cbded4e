import Glibc
import NIOCore

/// Why a target was not reached: a closed set of words, for metrics.
package enum TargetFailure: String, Sendable, Hashable, CaseIterable {
    /// Its machine refuses.
    case refused
    case timeout
    /// There is no way to its machine.
    case unreachable
    /// Its name has no address.
    case name
    /// The other end of the tunnel, which dials it, has not reached it.
    case otherEnd = "other-end"
    case other

    package init(_ error: any Error) {
        switch error {
        case let error as TunnelError: self = error.reason == .nameNotResolved ? .name : .other
        case is ChannelError: self = .timeout
        case let error as IOError:
            switch error.errnoCode {
            case ECONNREFUSED, ECONNRESET: self = .refused
            case ETIMEDOUT: self = .timeout
            case ENETUNREACH, EHOSTUNREACH, EHOSTDOWN, ENETDOWN, EADDRNOTAVAIL: self = .unreachable
            default: self = .other
            }
        default: self = .other
        }
    }
}
