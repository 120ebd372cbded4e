import FoundationEssentials

/// Everything that clients can follow: both event logs, and the log lines of tunnels.
package struct EventStreams: Sendable {
    package let instances: EventHub
    package let notices: EventHub
    /// Those who follow a tunnel's log are not subscribers of a hub.
    package let logs = LogBook()

    package init(store: StateStore, renderer: @escaping EventRenderer) throws(StateStoreError) {
        instances = try EventHub(store: store, log: .instances, renderer: renderer)
        notices = try EventHub(store: store, log: .reconciler, renderer: renderer)
    }

    /// Each event goes to the subscribers of its log; who learns what became of an instance can read why.
    func publish(_ events: [RecordedEvent]) {
        notices.publish(events)
        instances.publish(events)
    }

    /// Ends every stream, after a `shutdown` event where there are events.
    func end(at time: Date) {
        instances.shutdown(at: time)
        notices.shutdown(at: time)
        logs.endFollowing()
    }
}
