package import FoundationEssentials
package import Tunnel

/// What happened, as values: the store keeps it in columns, and the hub has it rendered for clients.
package struct RecordedEvent: Sendable, Hashable {
    package enum Content: Sendable, Hashable {
        /// `kind` is create, update or delete.
        case instance(StreamEvent.Kind, InstanceSnapshot)
        /// A line of a tunnel's log.
        case logLine(InstanceSnapshot, String)
        case notice(ReconcileNotice)
        /// The last event of a stream.
        case shutdown
    }

    /// Given by the store; nil for what is not stored.
    package var id: Int64?
    package let time: Date
    /// A report of figures that everybody has: for readers who want them all the same.
    package let isRepeated: Bool
    package let content: Content

    package init(id: Int64? = nil, time: Date, isRepeated: Bool = false, _ content: Content) {
        self.isRepeated = isRepeated
        self.id = id
        self.time = time
        self.content = content
    }

    package var kind: StreamEvent.Kind {
        switch content {
        case .instance(let kind, _): kind
        case .logLine: .log
        case .notice(let notice): notice.kind
        case .shutdown: .shutdown
        }
    }

    package var instanceID: InstanceID? {
        switch content {
        case .instance(_, let instance), .logLine(let instance, _): instance.id
        case .notice(let notice): notice.subject?.id
        case .shutdown: nil
        }
    }
}

/// Renders the payload of one event, as clients get it.
package typealias EventRenderer = @Sendable (RecordedEvent) -> String
