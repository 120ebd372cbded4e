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
        guard self != other else { return [] }
        var changes = TunnelContent(spec: self).changes(to: TunnelContent(spec: other), secretPaths: secretPaths)
        if unknownParameters != other.unknownParameters {
            let old = unknownParameters.map(\.name).joined(separator: ",")
            let new = other.unknownParameters.map(\.name).joined(separator: ",")
            changes.append(FieldChange(path: ManifestSchema.urlKey, class: .meta, old: old, new: new))
        }
        return changes
    }
}

extension TunnelLabels {
    /// What would change in the record; nothing of it touches a connection.
    package func changes(to other: TunnelLabels, secretPaths: Set<String> = []) -> [FieldChange] {
        guard self != other else { return [] }
        var old = TunnelContent(spec: .standard)
        var new = old
        old.labels = self
        new.labels = other
        return old.changes(to: new, secretPaths: secretPaths)
    }
}

extension TunnelContent {
    fileprivate func changes(to other: TunnelContent, secretPaths: Set<String>) -> [FieldChange] {
        ManifestSchema.fields.filter { !$0.isEqual(self, other) }.map { field in
            let isSecret = secretPaths.contains { $0 == field.path || $0.hasPrefix(field.path + ".") }
            return FieldChange(
                path: field.path,
                class: field.classOf?(spec, other.spec) ?? field.changeClass,
                old: isSecret ? Secret.mask : field.textOf(self),
                new: isSecret ? Secret.mask : field.textOf(other)
            )
        }
    }
}
