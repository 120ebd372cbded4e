/// What a manifest allows the API to change.
package struct ManifestPolicy: Sendable, Hashable {
    /// Whether REST may mutate a declared tunnel.
    package var overridesAllowed = true
    /// Overrides expire after this long; zero = only when released or edited away.
    package var overrideTTL = Duration.zero
    /// A tunnel that leaves the manifest is deleted.
    package var prune = true
    /// A manifest that deletes more at once is rejected until someone confirms it; nil = no limit.
    package var maxDeletes: DeleteLimit?

    package init() {}
}
