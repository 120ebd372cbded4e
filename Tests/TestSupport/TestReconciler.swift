import FoundationEssentials
package import Logging
package import Reconciler

/// A reconciler on a fake host; nobody runs it yet.
package struct TestReconciler: Sendable {
    package let store: StateStore
    package let host: FakeHost
    package let streams: EventStreams
    package let reconciler: TunnelReconciler

    /// `render` makes the payloads that subscribers of the streams get.
    package init(
        store: StateStore,
        host: FakeHost = FakeHost(),
        settings: ReconcilerSettings,
        render: @escaping EventRenderer = { _ in "" }
    ) throws {
        self.store = store
        self.host = host
        streams = try EventStreams(store: store, renderer: render)
        reconciler = try TunnelReconciler(store: store, host: host, streams: streams, settings: settings)
    }
}

extension Logger {
    /// Writes nothing.
    package static var silent: Logger { Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }) }
}
