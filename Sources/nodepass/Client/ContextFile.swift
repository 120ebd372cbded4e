import Config
import FoundationEssentials

/// One daemon of the file of contexts.
struct Context: Sendable {
    var server: String?
    var stateDir: String?
    var apiKey: String?
    var trust: ServerTrust?
    var warnings: [String] = []
}

/// `~/.config/nodepass/config.yaml`: the daemons that a user works with, by name.
struct ContextFile {
    private let path: String
    private let contexts: [String: DocumentNode]
    private let chosenName: String?
    private let home: String
    /// Whether other users can read it.
    private let isOpen: Bool

    private static let limitBytes = 1 << 20
    private static let topKeys = ["context", "contexts"]
    private static let keys = ["server", "state-dir", "api-key", "api-key-file", "ca-file", "fingerprint", "insecure"]

    /// Without a file there are no contexts.
    static func read(environment: [String: String]) throws(CommandFailure) -> ContextFile {
        let home = environment["HOME"] ?? ""
        let folder = environment["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? home + "/.config"
        let path = folder + "/nodepass/config.yaml"
        guard let mode = FileState.mode(of: path) else { return try ContextFile("", path: path, home: home) }
        let text: String
        do throws(TextFile.ReadError) {
            text = try TextFile.read(path, limitBytes: limitBytes)
        } catch {
            throw CommandFailure(message: "\(path) cannot be read: \(error.problem)")
        }
        return try ContextFile(text, path: path, home: home, isOpen: mode & 0o077 != 0)
    }

    init(_ text: String, path: String, home: String, isOpen: Bool = false) throws(CommandFailure) {
        self.path = path
        self.home = home
        self.isOpen = isOpen
        let tree = YAMLTree(text, file: path)
        if let problem = tree.diagnostics.first(where: { $0.severity == .error }) {
            throw CommandFailure(message: problem.description)
        }
        try Self.check(tree.root, knowing: Self.topKeys)
        chosenName = try tree.root?["context"].map(Self.text)
        let entries = tree.root?["contexts"]?.entries ?? []
        contexts = Dictionary(entries.map { ($0.key, $0.value) }) { first, _ in first }
    }

    /// The one that `context:` names.
    var chosen: Context? {
        get throws(CommandFailure) { try chosenName.map(context) }
    }

    func context(_ name: String) throws(CommandFailure) -> Context {
        guard let node = contexts[name] else {
            let known = contexts.isEmpty ? "it has none" : "it has \(contexts.keys.sorted().joined(separator: ", "))"
            throw CommandFailure(message: "\(path) has no context '\(name)'; \(known)")
        }
        try Self.check(node, knowing: Self.keys)
        func value(_ key: String) throws(CommandFailure) -> String? { try node[key].map(Self.text) }
        var context = Context(server: try value("server"), stateDir: try value("state-dir").map(resolved))
        if (context.server == nil) == (context.stateDir == nil) {
            throw Self.failure(node, "needs either server or state-dir")
        }
        context.apiKey = try value("api-key")
        if context.apiKey != nil, isOpen {
            context.warnings.append(Self.open(path))
        }
        if let file = try value("api-key-file").map(resolved) {
            context.apiKey = try key(in: file)
            if FileState.mode(of: file).map({ $0 & 0o077 != 0 }) == true { context.warnings.append(Self.open(file)) }
        }
        context.trust = try trust(node)
        return context
    }

    private static func open(_ file: String) -> String {
        "other users can read the API key in \(file): chmod 600 \(file)"
    }

    private func key(in file: String) throws(CommandFailure) -> String {
        do throws(TextFile.ReadError) {
            return InputText.value(try TextFile.read(file, limitBytes: Self.limitBytes))
        } catch {
            throw CommandFailure(message: "api-key-file: \(file) cannot be read: \(error.problem)")
        }
    }

    private func trust(_ node: DocumentNode) throws(CommandFailure) -> ServerTrust? {
        if let file = node["ca-file"] { return .authorities(resolved(try Self.text(file))) }
        if let print = node["fingerprint"] {
            return try ConnectionChoice.fingerprint(try Self.text(print), "\(print.location)")
        }
        return try node["insecure"].map(Self.text) == "true" ? .anything : nil
    }

    /// A relative path means the file's own directory, `~/` the user's home.
    private func resolved(_ file: String) -> String {
        file.hasPrefix("~/") ? home + file.dropFirst() : TextFile.absolute(file, from: TextFile.directory(of: path))
    }

    // MARK: Reading

    private static func check(_ node: DocumentNode?, knowing known: [String]) throws(CommandFailure) {
        guard let node else { return }
        guard let entries = node.entries else { throw failure(node, "is \(node.kindName), not a mapping of keys") }
        for entry in entries {
            if entry.isRepeated { throw failure(entry.keyLocation, "'\(entry.key)' is there twice") }
            guard known.contains(entry.key) else {
                let nearest = EditDistance.nearest(to: entry.key, among: known).map { " (did you mean '\($0)'?)" } ?? ""
                throw failure(entry.keyLocation, "unknown key '\(entry.key)'\(nearest)")
            }
        }
    }

    private static func text(_ node: DocumentNode) throws(CommandFailure) -> String {
        guard case .scalar(let scalar) = node.content, !node.isNull else {
            throw failure(node, "is \(node.kindName), not a text")
        }
        return scalar.text
    }

    private static func failure(_ node: DocumentNode, _ problem: String) -> CommandFailure {
        failure(node.location, problem)
    }

    private static func failure(_ location: SourceLocation, _ problem: String) -> CommandFailure {
        CommandFailure(message: "\(location): \(problem)")
    }
}
