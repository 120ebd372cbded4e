import Config
import FoundationEssentials
import Reconciler
import TestSupport
import Testing
import Tunnel

/// A fixed moment, so that stored times compare.
let epoch = Date(timeIntervalSince1970: 1_795_000_000)

/// Reads a manifest as the daemon does.
func reading(_ text: String) -> ManifestReading {
    ManifestReader(environment: [:], workingDirectory: "/").read(text: text, file: "tunnels.yaml")
}

/// A manifest of single-end clients, one line each: name and port.
func manifest(_ tunnels: KeyValuePairs<String, String>, policy: String = "") -> ManifestReading {
    var text = "version: 1\n" + policy
    text += tunnels.isEmpty ? "tunnels: {}\n" : "tunnels:\n"
    for (name, body) in tunnels { text += "  \(name): {\(body)}\n" }
    return reading(text)
}

/// The keys of a single-end client that listens on this port.
func client(_ port: Int, _ more: String = "") -> String {
    let keys = "role: client, mode: single, tunnel: \"127.0.0.1:\(port)\", target: \"10.0.0.7:80\""
    return more.isEmpty ? keys : "\(keys), \(more)"
}

func clientURL(_ port: Int, _ query: String = "mode=1") -> String {
    "client://127.0.0.1:\(port)/10.0.0.7:80?\(query)"
}

func spec(_ url: String) throws -> TunnelSpec {
    try TunnelURL.parse(url).spec
}

func apiRecord(_ id: InstanceID, url: String, alias: String = "") throws -> InstanceRecord {
    InstanceRecord(
        id: id,
        origin: .api,
        url: url,
        spec: try spec(url),
        labels: TunnelLabels(alias: alias),
        revision: "r1",
        createdAt: epoch
    )
}

/// An event of an API instance; `alias` is for tests that compare what was rendered.
func event(
    _ kind: StreamEvent.Kind,
    _ id: InstanceID,
    alias: String = "",
    time: Date = epoch
) throws -> RecordedEvent {
    let desired = DesiredInstance(try apiRecord(id, url: clientURL(9001), alias: alias))
    let instance = InstanceSnapshot(try #require(desired).instance(status: nil, traffic: Traffic()))
    return RecordedEvent(time: time, .instance(kind, instance))
}

extension DesiredState {
    /// The one desired instance of this name.
    func named(_ name: String) -> DesiredInstance? {
        ordered.first { $0.name == name }
    }

    /// Applies a mutation's record, as the reconciler does after storing it.
    mutating func patch(
        _ id: InstanceID,
        _ patch: InstancePatch,
        _ context: MutationContext = MutationContext(by: "test"),
        now: Date = epoch
    ) throws(MutationError) {
        put(try patched(id, patch, context, isFailing: false, now: now))
    }
}
