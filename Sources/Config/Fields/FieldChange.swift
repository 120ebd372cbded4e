/// One field that differs between two specs, ready to be shown in a plan.
package struct FieldChange: Sendable, Hashable {
    /// The key's path, `limits.rate`.
    package let path: String
    package let `class`: ChangeClass
    package let old: String
    package let new: String

    package init(path: String, class: ChangeClass, old: String, new: String) {
        self.path = path
        self.class = `class`
        self.old = old
        self.new = new
    }
}

extension TunnelSpec {
    /// What would change, in the order of the table; values of `secretPaths` and keys are masked.
    package func changes(to other: TunnelSpec, secretPaths: Set<String> = []) -> [FieldChange] {
        TunnelContent(spec: self).changes(to: TunnelContent(spec: other), secretPaths: secretPaths)
    }
}

extension TunnelContent {
    /// As for a spec, with the labels and the state.
    package func changes(to other: TunnelContent, secretPaths: Set<String> = []) -> [FieldChange] {
        guard self != other else { return [] }
        return ManifestSchema.fields.filter { !$0.isEqual(self, other) }.map { field in
            let isSecret = field.isHidden(by: secretPaths)
            return FieldChange(
                path: field.path,
                class: field.classOf?(spec, other.spec) ?? field.changeClass,
                old: isSecret ? Secret.mask : field.textOf(self),
                new: isSecret ? Secret.mask : field.textOf(other)
            )
        } + unknownParameterChanges(to: other.spec)
    }

    private func unknownParameterChanges(to other: TunnelSpec) -> [FieldChange] {
        guard spec.unknownParameters != other.unknownParameters else { return [] }
        let (old, new) = (spec.unknownParameters.map(\.name), other.unknownParameters.map(\.name))
        return [
            FieldChange(
                path: ManifestSchema.urlKey,
                class: .meta,
                old: old.joined(separator: ","),
                new: new.joined(separator: ",")
            )
        ]
    }
}
