package import Config
package import Tunnel

/// One instance as everybody outside the reconciler sees it: desired, actual and recorded state in one value.
package struct Instance: Sendable, Hashable {
    package let id: InstanceID
    /// The manifest's name; nil for an instance that was created through the API.
    package var name: String?
    package var origin: Origin
    /// Where the declaration stands; nil for API-created ones.
    package var source: SourceLocation?
    /// As it was sent (byte for byte, inherited parameters appended), or the canonical form of a declaration.
    package var url: String
    /// `url` with every default filled in, sorted by name.
    package var config: String
    package var spec: TunnelSpec
    package var labels: TunnelLabels
    /// NodePass's `restart` flag: start again with the daemon.
    package var autostart: Bool
    /// Whether it should run now.
    package var shouldRun: Bool
    /// Revision of the declaration (or of the mutation) that is applied.
    package var revision: String
    /// Keys whose values must not be shown.
    package var secretPaths: Set<String>
    package var override: Override?
    /// Nil before the first pass has handed it to the engine.
    package var status: TunnelStatus?
    /// Totals over all runs of the daemon, since the last reset.
    package var traffic: Traffic

    package enum Origin: String, Sendable, Hashable {
        case manifest
        case api
    }

    package var phase: TunnelPhase { status?.phase ?? (shouldRun ? .starting : .stopped) }
}
