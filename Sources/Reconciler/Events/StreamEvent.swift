package import Tunnel

/// The two numbered logs that clients follow, each a table of the store with ids of its own.
package enum EventLog: Sendable, Hashable, CaseIterable {
    /// What NodePass's clients know: instances and what becomes of them.
    case instances
    /// What the reconciler does and why.
    case reconciler
}

/// Which reports of figures a reader wants.
package enum EventReports: String, Sendable, Hashable, CaseIterable {
    /// One an interval for each running instance, as NodePass's masters send it.
    case all
    /// Those with new figures, and one a minute.
    case changed
}

/// One event of a stream as clients get it, rendered once for all of them.
///
/// What a subscriber has seen is already in the store.
package struct StreamEvent: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable {
        case initial, create, update, delete, log
        /// The last one of either stream.
        case shutdown
        case plan, apply, reject, override, release, request, problem, drift
    }

    /// Grows by one from the first event of its log; nil for what is not stored (traffic reports, `initial`, `shutdown`).
    package let id: Int64?
    package let kind: Kind
    package let instanceID: InstanceID?
    /// The JSON of the SSE `data:` line.
    package let payload: String
    /// A report of figures that everybody has; see ``EventReports``.
    package let isRepeated: Bool

    package init(id: Int64?, kind: Kind, instanceID: InstanceID?, payload: String, isRepeated: Bool = false) {
        self.isRepeated = isRepeated
        self.id = id
        self.kind = kind
        self.instanceID = instanceID
        self.payload = payload
    }
}

extension StreamEvent.Kind {
    /// Where events of this kind are stored.
    package var log: EventLog {
        switch self {
        case .initial, .create, .update, .delete, .log, .shutdown: .instances
        case .plan, .apply, .reject, .override, .release, .request, .problem, .drift: .reconciler
        }
    }
}
