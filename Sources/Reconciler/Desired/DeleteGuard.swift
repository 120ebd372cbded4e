import Config

/// Finds a manifest that deletes more tunnels at once than its policy allows.
struct DeleteGuard {
    /// What is said of a reading that is not to be applied; nil for one that may.
    ///
    /// The policy that applied so far counts as well as the new one: half a file may have lost its
    /// policy. A manifest that says `tunnels: {}` means it.
    static func problem(_ reading: ManifestReading, in state: DesiredState, prune: Bool) -> Diagnostic? {
        guard let manifest = reading.manifest, manifest.policy.prune, prune, !reading.isExplicitlyEmpty else {
            return nil
        }
        let declared = state.declaredNames
        let leaving = declared.subtracting(reading.names).sorted()
        let limits = [state.policy.maxDeletes, manifest.policy.maxDeletes].compactMap(\.self)
        guard let limit = limits.first(where: { !$0.admits(leaving.count, of: declared.count) }) else { return nil }
        let names = leaving.prefix(5).joined(separator: ", ") + (leaving.count > 5 ? ", …" : "")
        return Diagnostic(
            .error,
            at: nil,
            path: "policy.maxDeletes",
            code: DiagnosticCode.tooManyDeletes.rawValue,
            "the manifest deletes \(leaving.count) of \(declared.count) tunnels (\(names)), and \(limit.text) may be "
                + "deleted at once; `nodepass apply --confirm` does it"
        )
    }
}
