extension TunnelContent {
    /// The entry under `tunnels` that declares exactly this, secrets in clear; nil where no keys
    /// can express it.
    ///
    /// `texts` has what to write instead of some values, by path: `${env:WEB_KEY}`.
    package func manifestEntry(replacing texts: [String: String] = [:]) -> JSONValue? {
        if case .unknown = spec.transport { return nil }
        guard spec.tls != .filesMissing, spec.pool.min <= spec.pool.max || spec.pool.isHalfStandard else { return nil }
        let standard = TunnelContent(spec: .standard)
        let hasForeign = ManifestSchema.fields.contains { field in
            !field.roles.contains(spec.role) && !field.isEqual(self, standard)
        }
        let isURLOnly = !spec.unknownParameters.isEmpty || spec.hasRelativePaths || spec.hasUnusedFiles
        if hasForeign || isURLOnly { return oneLineEntry }
        return ManifestSchema.entry(of: changedFields, in: self, replacing: texts)
    }

    /// Unknown parameters, those of the other role, and relative paths can only be written in a
    /// URL.
    private var oneLineEntry: JSONValue {
        var members = [JSONValue.Member(ManifestSchema.urlKey, .string(spec.url))]
        let beside = changedFields.filter { $0.parameters.isEmpty && !$0.isRequired && !$0.isSecret }
        if case .object(let rest) = ManifestSchema.entry(of: beside, in: self, replacing: [:]) { members += rest }
        return .object(members)
    }

    private var changedFields: [TunnelField] {
        let standard = TunnelContent(spec: .standard)
        return ManifestSchema.fields.filter { field in
            guard field.roles.contains(spec.role) else { return false }
            return field.isRequired || !field.isEqual(self, standard)
        }
    }
}

extension PoolSize {
    /// One of the two is not written, so they are not compared.
    fileprivate var isHalfStandard: Bool { min == PoolSize().min || max == PoolSize().max }
}

extension TunnelSpec {
    /// A client shows no certificate, but NodePass's URLs may name one.
    fileprivate var hasUnusedFiles: Bool {
        guard case .files = tls else { return false }
        return role == .client
    }

    /// Relative paths of keys start at the manifest, those of a URL where the daemon was started.
    fileprivate var hasRelativePaths: Bool {
        guard case .files(let certificate, let key) = tls else { return false }
        return !certificate.hasPrefix("/") || !key.hasPrefix("/")
    }
}

extension ManifestSchema {
    /// The values of these fields as one mapping; the members of a group are together.
    fileprivate static func entry(
        of fields: [TunnelField],
        in content: TunnelContent,
        replacing texts: [String: String]
    ) -> JSONValue {
        var members: [(name: String, value: JSONValue)] = []
        for field in fields {
            let value = texts[field.path].map(JSONValue.string) ?? field.value(in: content)
            let parts = field.path.split(separator: ".", maxSplits: 1).map(String.init)
            guard parts.count == 2 else {
                members.append((field.path, value))
                continue
            }
            let member = JSONValue.Member(parts[1], value)
            if let index = members.firstIndex(where: { $0.name == parts[0] }),
                case .object(let rest) = members[index].value
            {
                members[index].value = .object(rest + [member])
            } else {
                members.append((parts[0], .object([member])))
            }
        }
        return .object(members.map { JSONValue.Member($0.name, $0.value) })
    }
}
