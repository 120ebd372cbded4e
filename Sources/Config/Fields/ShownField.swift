/// One key of a tunnel as people see it.
package struct ShownField: Sendable, Hashable {
    /// The key's path, `limits.rate`.
    package let path: String
    /// The value in words; masked for secrets.
    package let text: String
    package let `class`: ChangeClass
}

extension TunnelContent {
    /// The keys that differ from their defaults, and those at `paths`, in the order of the table.
    package func shownFields(naming paths: Set<String> = [], secretPaths: Set<String> = []) -> [ShownField] {
        let standard = TunnelContent(spec: .standard)
        return ManifestSchema.fields.filter { field in
            field.isRequired || paths.contains(field.path) || !field.isEqual(self, standard)
        }.map { field in
            let isSecret = field.isHidden(by: secretPaths)
            let text = isSecret ? Secret.mask : field.textOf(self)
            return ShownField(path: field.path, text: text, class: field.changeClass)
        }
    }
}
