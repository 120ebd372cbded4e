/// What has to happen to a running tunnel when a field changes; the later, the more is touched.
package enum ChangeClass: String, Sendable, Hashable, CaseIterable, Comparable {
    /// Nothing but the record.
    case meta
    /// The new value counts for new connections; nothing closes.
    case live
    /// Listeners stay open, a new session takes over, established relays finish or hit `drain`.
    case session
    /// The new address is bound first; then the old one stops accepting and drains.
    case rebind

    package static func < (a: ChangeClass, b: ChangeClass) -> Bool {
        a.rank < b.rank
    }

    private var rank: Int {
        switch self {
        case .meta: 0
        case .live: 1
        case .session: 2
        case .rebind: 3
        }
    }
}
