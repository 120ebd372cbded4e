/// Gathers what one reading of files finds: tunnels, policy, problems, and the paths to watch.
struct ManifestCollector {
    private var reader: NodeReader
    private var policy: (value: ManifestPolicy, source: SourceLocation)?
    private var tunnels: [TunnelDeclaration] = []
    private var invalid: [String: SourceLocation] = [:]
    /// Where each name was declared first.
    private var names: [String: SourceLocation] = [:]
    private var watched: Set<String> = []
    private var isRejected = false
    private var hasIncludes = false
    /// Absolute paths of the files already read, with their place in the order of reading.
    private var files: [String: Int] = [:]
    /// As in `files`, by the name that messages use.
    private var fileOrder: [String: Int] = [:]
    /// Keys under `defaults` that apply to the file being read, outermost first.
    private var defaults: [TunnelReading.GivenKey] = []
    /// Files whose includes are being read.
    private var stack: [String] = []

    private let workingDirectory: String
    /// False for a text from a request, which must not make the daemon show files.
    private let allowsIncludes: Bool
    /// Declarations by name, which a text whose references are kept is compared with.
    private let known: [String: TunnelDeclaration]

    init(
        _ reader: NodeReader,
        workingDirectory: String,
        allowsIncludes: Bool,
        known: [String: TunnelDeclaration] = [:]
    ) {
        self.known = known
        self.reader = reader
        self.allowsIncludes = allowsIncludes
        self.workingDirectory = workingDirectory
    }

    mutating func readRoot(_ path: String, shownAs name: String) {
        watched.insert(path)
        guard TextFile.isDirectory(path) else {
            readFile(path, shownAs: name)
            return
        }
        guard let names = TextFile.names(in: path) else {
            reject(.unreadable, SourceLocation(file: name, line: 1, column: 1), "", "the directory cannot be read")
            return
        }
        let manifests = names.filter { !$0.hasPrefix(".") && ($0.hasSuffix(".yaml") || $0.hasSuffix(".yml")) }
        if manifests.isEmpty {
            let place = SourceLocation(file: name, line: 1, column: 1)
            reject(.empty, place, "", "the directory has no *.yaml or *.yml file")
        }
        let prefix = name.hasSuffix("/") ? name : name + "/"
        for manifest in manifests { readFile(path + "/" + manifest, shownAs: prefix + manifest) }
    }

    mutating func readText(_ text: String, path: String, shownAs name: String) {
        let order = files.count
        files[path] = order
        fileOrder[name] = order
        let start = SourceLocation(file: name, line: 1, column: 1)
        let tree = YAMLTree(text, file: name)
        reader.prefix = ""
        reader.directory = TextFile.directory(of: path)
        reader.append(tree.diagnostics)
        // What has no meaning in YAML rejects the manifest, but the rest is read all the same, so that
        // every problem is reported at once.
        if !tree.diagnostics.isEmpty { isRejected = true }
        guard tree.root != nil || tree.diagnostics.isEmpty else { return }
        guard let root = tree.root, !root.isNull else {
            reject(.empty, start, "", "the file is empty; write 'tunnels: {}' to declare that there are none")
            return
        }
        guard root.entries != nil else {
            reject(.notAMapping, root.location, "", "a manifest is a mapping of keys, not \(root.kindName)")
            return
        }
        readDocument(root, path: path)
    }

    /// Everything gathered, with problems in the order of the files.
    func reading(mayBindPrivilegedPorts: Bool) -> ManifestReading {
        var reader = reader
        ManifestLint.check(tunnels, mayBindPrivilegedPorts: mayBindPrivilegedPorts, &reader)
        let manifest = Manifest(policy: policy?.value ?? ManifestPolicy(), tunnels: tunnels)
        return ManifestReading(
            manifest: isRejected ? nil : manifest,
            invalid: invalid,
            diagnostics: inFileOrder(reader.diagnostics),
            watched: watched.union(reader.references.files),
            files: fileOrder.sorted { $0.value < $1.value }.map(\.key),
            isExplicitlyEmpty: tunnels.isEmpty && invalid.isEmpty && !hasIncludes
        )
    }

    mutating func reject(_ code: DiagnosticCode, _ place: SourceLocation?, _ path: String, _ message: String) {
        isRejected = true
        reader.prefix = ""
        reader.fail(code, place, path, message)
    }

    private func inFileOrder(_ diagnostics: [Diagnostic]) -> [Diagnostic] {
        let keyed = diagnostics.enumerated().map { offset, diagnostic in
            let place = diagnostic.location
            let file = place.flatMap { fileOrder[$0.file] } ?? Int.max
            return (key: [file, place?.line ?? 0, place?.column ?? 0, offset], diagnostic: diagnostic)
        }
        return keyed.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.diagnostic)
    }

    private mutating func readFile(_ path: String, shownAs name: String) {
        guard files[path] == nil else { return }
        let start = SourceLocation(file: name, line: 1, column: 1)
        guard files.count < ManifestReader.fileLimit else {
            reject(.includeLimit, start, "", "the manifest has more than \(ManifestReader.fileLimit) files")
            return
        }
        watched.insert(path)
        do throws(TextFile.ReadError) {
            let text = try TextFile.read(path, limitBytes: YAMLLimits().documentBytes)
            readText(text, path: path, shownAs: name)
        } catch {
            fileOrder[name] = files.count
            reject(.unreadable, start, "", "cannot be read: \(error.problem)")
        }
    }

    private mutating func readDocument(_ root: DocumentNode, path: String) {
        let entries = root.entries ?? []
        let known = ManifestSchema.documentKeys
        for entry in entries where !known.contains(entry.key) && !entry.key.hasPrefix("x-") {
            isRejected = true
            reader.unknown(entry.key, at: entry.keyLocation, among: known, path: entry.key)
        }
        readVersions(given("version", in: entries), root)
        for entry in given("policy", in: entries) where !entry.value.isNull { readPolicy(entry) }
        let outer = defaults
        for entry in given("defaults", in: entries) where !entry.value.isNull { readDefaults(entry) }
        let declared = given("tunnels", in: entries)
        for entry in declared { readTunnels(entry) }
        if declared.isEmpty {
            reject(.tunnelsMissing, root.location, "tunnels", "is missing; write 'tunnels: {}' to declare none")
        }
        for entry in given("include", in: entries) where !entry.value.isNull { readInclude(entry, from: path) }
        defaults = outer
    }

    /// Usually one; a repeated key is read as well, for the problems in its value.
    private func given(_ key: String, in entries: [DocumentEntry]) -> [DocumentEntry] {
        entries.filter { $0.key == key }
    }

    private mutating func readVersions(_ entries: [DocumentEntry], _ root: DocumentNode) {
        if entries.isEmpty, stack.isEmpty {
            reject(.version, root.location, "version", "is missing; write 'version: 1'")
        }
        for entry in entries { readVersion(entry) }
    }

    private mutating func readVersion(_ entry: DocumentEntry) {
        guard case .scalar(let scalar) = entry.value.content, scalar.text == "1", scalar.isPlain else {
            reject(.version, entry.value.location, "version", "must be 1, the only version; write 'version: 1'")
            return
        }
    }

    private mutating func readPolicy(_ entry: DocumentEntry) {
        let before = reader.diagnostics.count
        let value = PolicyField.read(entry.value, &reader)
        if entry.isRepeated {
            // Said already, where the tree was read.
        } else if let first = policy?.source {
            let message = "is given in two files; keep one"
            reader.add(.error, .policyTwice, entry.keyLocation, "policy", message, related: first)
        } else if stack.isEmpty {
            policy = (value, entry.keyLocation)
        } else {
            reader.fail(.policyTwice, entry.keyLocation, "policy", "belongs in the file that includes this one")
        }
        if reader.diagnostics.count > before { isRejected = true }
    }

    private mutating func readDefaults(_ entry: DocumentEntry) {
        let before = reader.diagnostics.count
        defaults += TunnelReading.checkedDefaults(entry.value, &reader)
        if reader.diagnostics.count > before { isRejected = true }
    }

    private mutating func readTunnels(_ entry: DocumentEntry) {
        guard let entries = entry.value.entries else {
            let isList = entry.value.items != nil
            let form = isList ? "write each name as a key: 'web:'" : "write 'tunnels: {}' to declare none"
            let advice = "takes tunnels by name, not \(entry.value.kindName); \(form)"
            reject(entry.value.isNull ? .tunnelsMissing : .notAMapping, entry.value.location, "tunnels", advice)
            return
        }
        for tunnel in entries { readTunnel(tunnel) }
    }

    private mutating func readTunnel(_ entry: DocumentEntry) {
        reader.prefix = "tunnels." + entry.key
        defer { reader.prefix = "" }
        let first = names[entry.key]
        if let first, !entry.isRepeated {
            let message = "is declared twice; a name may be declared once in all files together"
            reader.add(.error, .duplicateName, entry.keyLocation, "", message, related: first)
        }
        names[entry.key] = first ?? entry.keyLocation
        var reading = TunnelReading(
            name: entry.key,
            source: entry.keyLocation,
            defaults: defaults,
            known: known[entry.key]
        )
        let declaration = reading.read(entry.value, &reader)
        watched.formUnion(reading.files(from: workingDirectory))
        if first == nil, let declaration {
            tunnels.append(declaration)
        } else {
            // Which of two declarations is meant is not ours to choose.
            tunnels.removeAll { $0.name == entry.key }
            invalid[entry.key] = first ?? entry.keyLocation
        }
    }

    private mutating func readInclude(_ entry: DocumentEntry, from path: String) {
        hasIncludes = true
        if allowsIncludes {
            readIncludes(entry, from: path)
        } else {
            reject(.includeRefused, entry.keyLocation, "include", "a request cannot include files")
        }
    }

    private mutating func readIncludes(_ entry: DocumentEntry, from path: String) {
        reader.prefix = ""
        let before = reader.diagnostics.count
        let patterns = (entry.value.items ?? [entry.value]).compactMap { node in
            reader.text(node, "include", expected: "a path or a list of paths").map { ($0.value, node.location) }
        }
        if reader.diagnostics.count > before { isRejected = true }
        guard stack.count < ManifestReader.includeDepthLimit else {
            let message = "includes are nested deeper than \(ManifestReader.includeDepthLimit) levels"
            reject(.includeLimit, entry.keyLocation, "include", message)
            return
        }
        stack.append(path)
        for (pattern, place) in patterns { include(pattern, at: place, from: path) }
        stack.removeLast()
    }

    private mutating func include(_ pattern: String, at place: SourceLocation, from path: String) {
        let directory = TextFile.directory(of: path)
        let glob = Glob(TextFile.absolute(pattern, from: directory))
        watched.formUnion(glob.directories)
        if glob.matches.isEmpty, !glob.hasWildcard {
            reject(.includeMissing, place, "include", "'\(pattern)' does not exist")
            return
        }
        let shownDirectory = place.file.lastIndex(of: "/").map { place.file[...$0] } ?? ""
        for match in glob.matches {
            guard !stack.contains(match) else {
                reject(
                    .includeCycle,
                    place,
                    "include",
                    "'\(pattern)' includes this file again, directly or through others"
                )
                continue
            }
            let isBelow = match.hasPrefix(directory + "/")
            let shown = isBelow ? shownDirectory + match.dropFirst(directory.count + 1) : match[...]
            readFile(match, shownAs: String(shown))
        }
        reader.directory = directory
    }
}
