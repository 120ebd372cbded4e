package import Config
import FoundationEssentials
package import Tunnel

/// One instance as everything outside the reconciler sees it: desired, actual and recorded state in one value.
package struct Instance: Sendable, Hashable {
    package let id: InstanceID
    /// The manifest's name; nil for an instance that was created through the API.
    package var name: String?
    package var origin: Origin
    /// Where it is declared; nil for API-created ones.
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

extension Instance {
    /// Changes with everything a mutation can change, and with nothing else; for `ETag` and `If-Match`.
    package var etag: String {
        // Milliseconds, as the store keeps them: the tag is the same after a new start.
        let times = [override?.since, override?.until].map { time in
            String(Int64(((time?.timeIntervalSince1970 ?? 0) * 1000).rounded()))
        }
        return InstanceIDs.fingerprint(
            [
                url, labels.alias, RecordText.json(labels.tags), RecordText.json(labels.peer), "\(autostart)",
                "\(shouldRun)", revision, origin.rawValue,
            ] + times
        )
    }
}
