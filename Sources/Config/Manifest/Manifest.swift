/// Everything the files declare: the policy and the tunnels by name.
package struct Manifest: Sendable, Hashable {
    package let policy: ManifestPolicy
    /// In file order.
    package let tunnels: [TunnelDeclaration]
    /// 12 hex digits over the policy and every tunnel.
    package let revision: String

    private let positions: [String: Int]

    /// Names must be unique.
    package init(policy: ManifestPolicy = ManifestPolicy(), tunnels: [TunnelDeclaration]) {
        self.policy = policy
        self.tunnels = tunnels
        self.positions = Dictionary(zip(tunnels.map(\.name), tunnels.indices), uniquingKeysWith: { first, _ in first })
        let words =
            "\(policy.overridesAllowed) \(policy.overrideTTL) \(policy.prune)"
            + (policy.maxDeletes.map { " \($0.text)" } ?? "")
        let lines = tunnels.map { "\($0.name) \($0.revision)" }.sorted()
        self.revision = Revision.of(([words] + lines).joined(separator: "\n"))
    }

    package subscript(name: String) -> TunnelDeclaration? {
        positions[name].map { tunnels[$0] }
    }
}
