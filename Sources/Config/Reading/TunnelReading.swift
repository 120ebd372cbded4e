/// Reads one entry under `tunnels`: defaults first, then the one-line form, then the keys beside
/// it.
struct TunnelReading {
    let name: String
    let source: SourceLocation
    /// Keys under `defaults`, outermost first; already checked.
    let defaults: [GivenKey]
    /// What it is compared with, where references are kept.
    let known: TunnelDeclaration?

    var content = TunnelContent(spec: .standard)
    /// Of a text whose references are kept: the paths that have the same reference as what it is compared with.
    var sameReferences: Set<String> = []
    private var url = ""
    private var fieldSources: [String: SourceLocation] = [:]

    init(name: String, source: SourceLocation, defaults: [GivenKey], known: TunnelDeclaration? = nil) {
        self.known = known
        self.name = name
        self.source = source
        self.defaults = defaults
    }

    /// The tunnel; nil after diagnostics when anything in it is wrong.
    mutating func read(_ node: DocumentNode, _ reader: inout NodeReader) -> TunnelDeclaration? {
        let firstProblem = reader.diagnostics.count
        reader.referencedPaths = []
        reader.referenceTexts = [:]
        if !TunnelDeclaration.isName(name) {
            let rule = "use a-z, 0-9 and inner '-', at most 63 characters"
            reader.fail(.tunnelName, source, "", "'\(name)' is not a name for a tunnel; \(rule)")
        }
        if let entries = reader.entries(node, "") { readKeys(entries, node, &reader) }
        if reader.references.policy == .keep { disguise(&reader) }
        guard !reader.diagnostics[firstProblem...].contains(where: { $0.severity == .error }) else { return nil }
        return TunnelDeclaration(
            name: name,
            spec: content.spec,
            url: url,
            labels: content.labels,
            running: content.running,
            source: source,
            secretPaths: reader.referencedPaths.union(["key"]),
            referenceTexts: reader.referenceTexts,
            fieldSources: fieldSources
        )
    }

    /// Files whose change matters to this tunnel although they are not manifests.
    ///
    /// Paths of `tls` are absolute already; those of a `url` start where the daemon does.
    func files(from directory: String) -> [String] {
        guard case .files(let certificate, let key) = content.spec.tls else { return [] }
        return [certificate, key].map { TextFile.absolute($0, from: directory) }
    }

    /// The keys under `defaults`, each checked for the roles it can apply to: its problems are
    /// reported once, not for each tunnel.
    static func checkedDefaults(_ node: DocumentNode, _ reader: inout NodeReader) -> [GivenKey] {
        reader.prefix = "defaults"
        defer { reader.prefix = "" }
        let keys = flattened(node, &reader)
        for key in keys {
            guard let field = key.field else {
                reader.fail(.defaultsKey, key.location, key.path, "cannot be a default; it belongs to one tunnel")
                continue
            }
            if reader.references.policy == .keep, key.node.hasReference { continue }
            var content = TunnelContent(spec: .standard)
            let fits = field.roles.sorted { $0.rawValue < $1.rawValue }.contains { role in
                content.spec.role = role
                return reader.attempt { field.read(key.node, &$0, &content) }
            }
            if !fits { field.read(key.node, &reader, &content) }
        }
        return keys
    }

    /// A key with a value, found at the top level of a tunnel or in one of its groups.
    struct GivenKey {
        let path: String
        /// Nil for `url`.
        let field: TunnelField?
        let node: DocumentNode
        let location: SourceLocation
    }

    /// The keys in file order without the absent ones; reports the unknown ones.
    private static func flattened(_ node: DocumentNode, _ reader: inout NodeReader) -> [GivenKey] {
        var keys: [GivenKey] = []
        for entry in reader.entries(node, "") ?? [] where !entry.value.isNull || !isKnown(entry.key) {
            if ManifestSchema.groups.contains(entry.key) {
                keys += members(of: entry, &reader)
            } else if let field = ManifestSchema.fieldsByPath[entry.key] {
                keys.append(GivenKey(path: field.path, field: field, node: entry.value, location: entry.keyLocation))
            } else if entry.key == ManifestSchema.urlKey {
                keys.append(GivenKey(path: entry.key, field: nil, node: entry.value, location: entry.keyLocation))
            } else if !entry.isRepeated {
                unknown(entry, &reader)
            }
        }
        return keys
    }

    private static func unknown(_ entry: DocumentEntry, _ reader: inout NodeReader) {
        let place = ManifestSchema.fields.first { $0.path.hasSuffix("." + entry.key) }?.path.prefix { $0 != "." }
        if let place {
            let advice = "belongs in '\(place)'; write \(place): {\(entry.key): …}"
            return reader.fail(.unknownKey, entry.keyLocation, entry.key, advice)
        }
        reader.unknown(entry.key, at: entry.keyLocation, among: ManifestSchema.keys(in: nil), path: entry.key)
    }

    private static func isKnown(_ key: String) -> Bool {
        ManifestSchema.groups.contains(key) || ManifestSchema.fieldsByPath[key] != nil || key == ManifestSchema.urlKey
    }

    private static func members(of group: DocumentEntry, _ reader: inout NodeReader) -> [GivenKey] {
        var keys: [GivenKey] = []
        for entry in reader.entries(group.value, group.key) ?? [] {
            let path = group.key + "." + entry.key
            if let field = ManifestSchema.fieldsByPath[path] {
                guard !entry.value.isNull else { continue }
                keys.append(GivenKey(path: path, field: field, node: entry.value, location: entry.keyLocation))
            } else if !entry.isRepeated {
                let known = ManifestSchema.keys(in: group.key)
                reader.unknown(entry.key, at: entry.keyLocation, among: known, path: path)
            }
        }
        return keys
    }

    private mutating func readKeys(_ entries: [DocumentEntry], _ node: DocumentNode, _ reader: inout NodeReader) {
        let keys = TunnelReading.flattened(node, &reader)
        fieldSources.reserveCapacity(keys.count + defaults.count)
        let urls = keys.filter { $0.field == nil }
        // A repeated 'url' is an error already; the others are read for their own problems.
        var urlParts: TunnelURLParts?
        for key in urls {
            let parts = readURL(key, &reader)
            urlParts = urlParts ?? parts
        }
        // The role comes first, wherever it is written: which keys there are, and the words of 'mode',
        // depend on it. A bad role is reported later, when its key is read.
        if let urlParts { content.spec.role = urlParts.role }
        var isRoleKnown = urlParts != nil
        if !isRoleKnown, let key = (keys + defaults.reversed()).first(where: { $0.path == "role" }) {
            isRoleKnown = reader.attempt { key.field?.read(key.node, &$0, &content) }
        }
        // Each layer replaces what the one before has set.
        for key in defaults { apply(default: key, &reader) }
        if let urlParts { apply(urlParts, urls.first, &reader) }
        for key in keys where key.field != nil {
            read(key, isRoleKnown: isRoleKnown, beside: urlParts, &reader)
        }
        if urls.isEmpty { requirePlace(&reader) }
        checkPool(&reader)
        checkKey(&reader)
        checkEnds(keys, &reader)
        // Without a role there is no URL whose length could be checked.
        if !urls.isEmpty || isRoleKnown { checkLength(&reader) }
    }

    private mutating func apply(default key: GivenKey, _ reader: inout NodeReader) {
        guard let field = key.field, field.roles.contains(content.spec.role) else { return }
        if keepsReference(key, field, &reader) {
            fieldSources[field.path] = key.location
            return
        }
        var changed = content
        guard reader.attempt({ field.read(key.node, &$0, &changed) }) else { return }
        changed.spec.role = content.spec.role
        content = changed
        fieldSources[field.path] = key.location
    }

    private mutating func readURL(_ key: GivenKey, _ reader: inout NodeReader) -> TunnelURLParts? {
        var text = reader.text(key.node, "url", expected: "a URL", transform: TunnelURLParts.escaped)
        if reader.references.policy == .keep, let given = text { text = kept(given) }
        guard let text else { return nil }
        do throws(TunnelURLError) {
            return try TunnelURLParts(text.value)
        } catch {
            for problem in error.diagnostics {
                let code = DiagnosticCode(rawValue: problem.code) ?? .urlSyntax
                let part = problem.path == "url" ? "" : problem.path.dropFirst(4) + ": "
                let isHidden = text.reference != nil
                let message = isHidden ? "the value of the reference is not a tunnel's URL" : part + problem.message
                // What NodePass reads all the same is a warning beside addresses that cannot be read.
                let isError = problem.severity == .error || URLFinding.areErrorsInManifest.contains(code)
                reader.add(isError ? .error : .warning, code, key.node.location, "url", message)
            }
            return nil
        }
    }

    private mutating func apply(_ parts: TunnelURLParts, _ key: GivenKey?, _ reader: inout NodeReader) {
        guard let key else { return }
        content.spec.tunnel = parts.tunnel
        content.spec.targets = parts.targets
        if let secret = parts.key { content.spec.key = secret }
        let isReferenced = reader.referencedPaths.contains("url")
        for finding in parts.apply(to: &content.spec) {
            let severity: Diagnostic.Severity = finding.isErrorInManifest ? .error : .warning
            let message = isReferenced ? "the value from the reference is not one it takes" : finding.message
            reader.add(severity, finding.code, key.node.location, "url", "\(finding.part): \(message)")
        }
        fieldSources["url"] = key.location
        for path in parts.givenPaths {
            fieldSources[path] = key.location
            if isReferenced { reader.referencedPaths.insert(path) }
        }
    }

    private mutating func read(
        _ key: GivenKey,
        isRoleKnown: Bool,
        beside url: TunnelURLParts?,
        _ reader: inout NodeReader
    ) {
        guard let field = key.field, isRoleKnown || field.path != "mode" else { return }
        if isRoleKnown, !field.roles.contains(content.spec.role) {
            refuse(field, key, &reader)
            guard field.path.hasPrefix("pool.") else { return }
        }
        let before = url == nil || sameReferences.contains("url") ? nil : content
        if !keepsReference(key, field, &reader) { field.read(key.node, &reader, &content) }
        if let url, let before, url.givenPaths.contains(field.path), !field.isEqual(before, content) {
            reader.fail(.urlConflict, key.location, key.path, "differs from the value in 'url'; keep one of them")
        }
        fieldSources[key.path] = key.location
    }

    /// A key that only the other role has: an error where a reader could think that it protects
    /// something.
    ///
    /// `pool` is written as one mapping for both ends, so its other half is accepted.
    private func refuse(_ field: TunnelField, _ key: GivenKey, _ reader: inout NodeReader) {
        let other = field.roles.map(\.rawValue).joined()
        let message = "has no effect on a \(content.spec.role.rawValue); only a \(other) has it"
        switch field.path {
        case "pool.min", "pool.max": break
        case "sni": reader.warn(.roleKey, key.location, key.path, message)
        default: reader.fail(.roleKey, key.location, key.path, message)
        }
    }

    private func requirePlace(_ reader: inout NodeReader) {
        for path in ["role", "tunnel", "target"] where fieldSources[path] == nil && !reader.hasSuggested(path) {
            reader.fail(.missingKey, source, path, "is missing; write it here or in a 'url'")
        }
    }

    /// Compared only when the manifest gives both: each role uses just one of them.
    private func checkPool(_ reader: inout NodeReader) {
        guard fieldSources["pool.min"] != nil, fieldSources["pool.max"] != nil else { return }
        guard content.spec.pool.min > content.spec.pool.max else { return }
        let isSecret = reader.referencedPaths.contains("pool.max")
        let limit = isSecret ? "" : " (\(content.spec.pool.max))"
        reader.fail(.poolRange, fieldSources["pool.min"], "pool.min", "must be at most pool.max\(limit)")
    }

    /// What two ends agree on protects nothing where there is one: said where the tunnel itself asks for it.
    private func checkEnds(_ keys: [GivenKey], _ reader: inout NodeReader) {
        guard content.spec.role == .client, content.spec.mode == .one else { return }
        for key in keys where ["tls", "handshake"].contains(key.path) {
            let message = "has no effect on a client in mode single: it has no other end"
            reader.fail(.roleKey, key.location, key.path, message)
        }
    }

    /// A key that may not run; one that may is a warning of the lint.
    private func checkKey(_ reader: inout NodeReader) {
        guard !isKeyUnknown(reader) else {
            reader.tunnelsWithUnknownKey.insert(name)
            return
        }
        guard let problem = KeyStrength.problem(of: content.spec), problem.isFatal else { return }
        reader.fail(problem.code, fieldSources["key"] ?? source, "key", problem.message)
    }

    private func isKeyUnknown(_ reader: NodeReader) -> Bool {
        guard reader.references.policy == .keep else { return false }
        return ["key", "url"].contains { reader.referencedPaths.contains($0) && !sameReferences.contains($0) }
    }

    private mutating func checkLength(_ reader: inout NodeReader) {
        url = content.spec.url
        guard url.utf8.count > TunnelURL.lengthLimitBytes else { return }
        let message = "its URL is longer than \(TunnelURL.lengthLimitBytes) bytes"
        reader.fail(.urlLength, source, "", message)
    }
}

extension TunnelURLParts {
    /// The manifest keys this URL gives a value to.
    var givenPaths: Set<String> {
        let named = query.parameters.filter { !$0.value.isEmpty }
        let paths = named.compactMap { ManifestSchema.fieldsByParameter[$0.name]?.path }
        return Set(paths + ["role", "tunnel", "target"] + (key == nil ? [] : ["key"]))
    }
}
