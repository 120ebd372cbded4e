package import Config
package import FoundationEssentials
package import Tunnel

/// What should be: declared ⊕ overrides ∪ created, as one value with one merge rule.
///
/// Every instance is one record; a declared one holds its last good declaration. `DesiredState+Declare` swaps the
/// declared layer, `+Mutations` makes the records that requests ask for. Nothing here does anything: the reconciler
/// stores the records first and acts afterwards.
package struct DesiredState: Sendable {
    /// Instances one daemon accepts; the listeners, the store and each list answer stay within reason.
    package static let instanceLimit = 10_000

    /// Of the last manifest that was read.
    package internal(set) var policy = ManifestPolicy()
    /// Revision of that manifest; empty before the first one.
    package internal(set) var manifestRevision = ""
    /// The last good declaration of each declared instance that this run of the daemon has read.
    var declarations: [InstanceID: TunnelDeclaration] = [:]
    package private(set) var records: [InstanceID: InstanceRecord] = [:]
    /// The merged form of each record that is to have an instance.
    package private(set) var desired: [InstanceID: DesiredInstance] = [:]

    package init(records: [InstanceRecord] = []) {
        for record in records { put(record) }
    }

    /// Takes a record in place of the one of its id; false when that is the same.
    @discardableResult
    package mutating func put(_ record: InstanceRecord) -> Bool {
        guard records[record.id] != record else { return false }
        records[record.id] = record
        let merged = DesiredInstance(record)
        // The object is kept where it is equal: identity is then a cheap sign that nothing has changed.
        if desired[record.id] != merged { desired[record.id] = merged }
        return true
    }

    /// Counters alone: the merged form does not hold them.
    mutating func setTraffic(_ traffic: Traffic, of id: InstanceID) {
        records[id]?.traffic = traffic
    }

    package mutating func forget(_ id: InstanceID) {
        records[id] = nil
        desired[id] = nil
        declarations[id] = nil
    }

    /// Ordered as lists show them: declared ones by name, then created ones by id.
    package var ordered: [DesiredInstance] {
        desired.values.sorted(by: DesiredState.precedes)
    }

    /// Names of the declared tunnels, those that an override hides among them.
    package var declaredNames: Set<String> {
        Set(records.values.filter { $0.isLive && $0.origin == .manifest }.compactMap(\.name))
    }

    static func precedes(_ a: DesiredInstance, _ b: DesiredInstance) -> Bool {
        if (a.origin == .manifest) != (b.origin == .manifest) { return a.origin == .manifest }
        let (first, second) = (a.name ?? "", b.name ?? "")
        return first == second ? a.id < b.id : first < second
    }

    // MARK: Daemon start

    /// The records that change because the daemon starts: without the `restart` flag a tunnel stays stopped.
    package mutating func daemonStarted() -> [InstanceRecord] {
        let stopping = desired.values.filter { !$0.autostart && $0.shouldRun }.compactMap { records[$0.id] }
        return stopping.map { record in
            var record = record
            if record.override?.autostart == false {
                record.override?.running = false
            } else {
                record.running = false
            }
            put(record)
            return record
        }
    }

    // MARK: Override expiry

    /// When the next override ends by itself.
    package var nextExpiry: Date? {
        records.values.compactMap { $0.departing ? nil : $0.override?.until }.min()
    }

    /// Ends every override whose time has come, but for labels beside it, and returns the changed records.
    package mutating func expireOverrides(now: Date) -> [InstanceRecord] {
        let expired = records.values.filter { record in
            record.override?.until.map { $0 <= now } ?? false
        }
        return expired.map { record in
            var expired = record.withoutOverride
            expired.override = record.override?.remainingAfterExpiry
            put(expired)
            return expired
        }
    }

    // MARK: Ids

    /// An id for a name: the first 8 hex digits of its SHA-256, hashed again while another instance has it.
    package func id(forName name: String) -> InstanceID {
        InstanceIDs.derived(from: name) { records[$0] == nil }
    }

    /// A free random id for a created instance.
    package func newID(using generator: inout some RandomNumberGenerator) -> InstanceID {
        InstanceIDs.random(using: &generator) { records[$0] == nil }
    }
}

extension InstanceRecord {
    package var withoutOverride: InstanceRecord {
        var record = self
        record.override = nil
        record.overrideSpec = nil
        return record
    }

    /// True when it counts for names, ids and limits: not on its way out.
    var isLive: Bool { !departing }
}
