package import Config
package import FoundationEssentials
import Synchronization
package import Tunnel

/// What the store keeps of one instance: the last good declaration or the created tunnel, and its override.
package struct InstanceRecord: Sendable, Hashable {
    package let id: InstanceID
    /// The manifest's name; kept when a departed declaration lives on as an API instance, so that it can come back.
    package var name: String?
    package var origin: Instance.Origin
    package var source: SourceLocation?
    /// As it was sent, or the canonical form of the last good declaration.
    package var url: String
    @Shared package var spec: TunnelSpec
    /// As the manifest or the request set them; what people see is ``visibleLabels``.
    package var labels: TunnelLabels
    package var autostart = true
    package var running = true
    package var revision: String
    /// Keys whose values must not be shown: `key`, and what came from a reference.
    package var secretPaths: Set<String> = ["key"]
    /// Grows by one with each restart.
    package var generation = 0
    package var override: Override?
    /// The checked form of `override.url`.
    package var overrideSpec: Shared<TunnelSpec>?
    /// Totals folded in so far; what the engine counted since comes on top.
    package var traffic = Traffic()
    package var createdAt: Date
    /// True once its `create` event is in the store.
    package var announced = false
    /// Deleted, and waiting for its tunnel to stop and its `delete` event to be stored.
    package var departing = false

    package init(
        id: InstanceID,
        name: String? = nil,
        origin: Instance.Origin,
        source: SourceLocation? = nil,
        url: String,
        spec: TunnelSpec,
        labels: TunnelLabels,
        revision: String,
        createdAt: Date
    ) {
        self.id = id
        self.name = name
        self.origin = origin
        self.source = source
        self.url = url
        self.spec = spec
        self.labels = labels
        self.revision = revision
        self.createdAt = createdAt
    }
}

extension InstanceRecord {
    var visibleLabels: TunnelLabels {
        guard origin == .manifest, let name else { return labels }
        return labels.visible(name: name)
    }
}

extension TunnelLabels {
    /// As a declared tunnel shows them: without an alias it goes by its name, because dashboards show nothing else.
    func visible(name: String) -> TunnelLabels {
        var visible = self
        if alias.isEmpty { visible.alias = name }
        return visible
    }
}

/// One instance as it should be now: the declaration or creation with its override merged in.
///
/// It never changes, and is one shared object: passes, plans and announcements compare thousands of them.
package final class DesiredInstance: Sendable {
    package let id: InstanceID
    package let name: String?
    package let origin: Instance.Origin
    package let source: SourceLocation?
    package let url: String
    package let spec: TunnelSpec
    package let labels: TunnelLabels
    package let autostart: Bool
    package let shouldRun: Bool
    package let revision: String
    package let secretPaths: Set<String>
    package let override: Override?
    package let generation: Int
    /// Made once: lists and events ask for it far more often than it changes.
    private let knownConfig = Mutex<String?>(nil)

    /// Nil for a record that is to have no instance: deleted, or declared and hidden by an override.
    ///
    /// This is the one merge rule: an override's value wins where it has one.
    package init?(_ record: InstanceRecord) {
        let override = record.override
        guard !record.departing, override?.deleted != true else { return nil }
        id = record.id
        name = record.name
        origin = record.origin
        source = record.source
        url = override?.url ?? record.url
        var spec = (record.overrideSpec?.wrappedValue ?? record.spec).hiding(record.secretPaths)
        spec.exchangeLines = ExchangeLines(areInfo: record.origin == .api)
        self.spec = spec
        labels = TunnelLabels(
            alias: override?.alias ?? record.visibleLabels.alias,
            tags: override?.tags ?? record.labels.tags,
            peer: override?.peer ?? record.labels.peer
        )
        autostart = override?.autostart ?? record.autostart
        shouldRun = override?.running ?? record.running
        revision = record.revision
        secretPaths = record.secretPaths
        self.override = override
        generation = record.generation
    }

    /// `url` with every default filled in, sorted by name.
    private var config: String {
        knownConfig.withLock { known in
            let config = known ?? TunnelURL.config(of: url, spec: spec)
            known = config
            return config
        }
    }

    /// The view of it with what the engine reports; `traffic` are the totals.
    package func instance(status: TunnelStatus?, traffic: Traffic) -> Instance {
        Instance(
            id: id,
            name: name,
            origin: origin,
            source: source,
            url: url,
            config: config,
            spec: spec,
            labels: labels,
            autostart: autostart,
            shouldRun: shouldRun,
            revision: revision,
            secretPaths: secretPaths,
            override: override,
            status: status,
            traffic: traffic
        )
    }
}

extension DesiredInstance: Hashable {
    package static func == (a: DesiredInstance, b: DesiredInstance) -> Bool {
        a === b
            || a.id == b.id && a.name == b.name && a.origin == b.origin && a.source == b.source && a.url == b.url
                && a.spec == b.spec && a.labels == b.labels && a.autostart == b.autostart && a.shouldRun == b.shouldRun
                && a.revision == b.revision && a.secretPaths == b.secretPaths && a.override == b.override
                && a.generation == b.generation
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(id)
        hasher.combine(revision)
        hasher.combine(url)
    }
}
