import Config

/// Reads the settings of one table, and knows afterwards which nobody has asked for.
struct SettingsTable {
    let node: DocumentNode
    private let prefix: String
    private var seen: Set<String> = []

    init(_ node: DocumentNode, prefix: String = "") throws(ConversionProblem) {
        guard node.entries != nil else {
            throw ConversionProblem(
                node.location,
                "\(prefix.isEmpty ? "this" : prefix) is \(node.kindName), not a table"
            )
        }
        self.node = node
        self.prefix = prefix
    }

    var source: String { node.location.fileAndLine }

    func path(_ key: String) -> String { prefix.isEmpty ? key : "\(prefix).\(key)" }

    /// The value of a key, nil where it is absent; it counts as read.
    mutating func take(_ key: String) -> DocumentNode? {
        seen.insert(key)
        guard let value = node[key], !value.isNull else { return nil }
        return value
    }

    /// The text of a single value.
    mutating func text(_ key: String) throws(ConversionProblem) -> String? {
        guard let value = take(key) else { return nil }
        guard case .scalar(let scalar) = value.content else {
            throw ConversionProblem(value.location, "\(path(key)) is \(value.kindName), not a single value")
        }
        return scalar.text
    }

    mutating func flag(_ key: String) throws(ConversionProblem) -> Bool? {
        guard let place = take(key)?.location, let text = try text(key) else { return nil }
        guard let flag = ["true": true, "false": false][text] else {
            throw ConversionProblem(place, "\(path(key)) is '\(text)', not true or false")
        }
        return flag
    }

    mutating func number(_ key: String) throws(ConversionProblem) -> Int? {
        guard let place = take(key)?.location, let text = try text(key) else { return nil }
        guard let number = Int(text), number >= 0 else {
            throw ConversionProblem(place, "\(path(key)) is '\(text)', not a number")
        }
        return number
    }

    mutating func port(_ key: String) throws(ConversionProblem) -> UInt16? {
        guard let place = take(key)?.location, let number = try number(key) else { return nil }
        guard let port = UInt16(exactly: number) else {
            throw ConversionProblem(place, "\(path(key)) is \(number), not a port")
        }
        return port
    }

    mutating func address(_ key: String) throws(ConversionProblem) -> Endpoint? {
        guard let place = take(key)?.location, let text = try text(key) else { return nil }
        return try Self.address(text, at: place)
    }

    static func address(_ text: String, at place: SourceLocation) throws(ConversionProblem) -> Endpoint {
        do throws(Endpoint.ParseError) {
            return try Endpoint(text)
        } catch {
            throw ConversionProblem(place, error.problem)
        }
    }

    mutating func items(_ key: String) throws(ConversionProblem) -> [DocumentNode] {
        guard let value = take(key) else { return [] }
        guard let items = value.items else {
            throw ConversionProblem(value.location, "\(path(key)) is \(value.kindName), not a list")
        }
        return items
    }

    mutating func table(_ key: String) throws(ConversionProblem) -> SettingsTable? {
        guard let value = take(key) else { return nil }
        return try SettingsTable(value, prefix: path(key))
    }

    /// What is here and nobody has read: its path, its value where that is a single one, and its place.
    var unread: [(setting: String, source: String)] {
        (node.entries ?? []).filter { !seen.contains($0.key) && !$0.value.isNull }
            .flatMap { Self.leaves(of: $0.value, path($0.key), $0.keyLocation) }
    }

    private static func leaves(
        of value: DocumentNode,
        _ path: String,
        _ place: SourceLocation
    ) -> [(setting: String, source: String)] {
        switch value.content {
        case .scalar(let scalar): [("\(path) = \(scalar.text)", place.fileAndLine)]
        case .sequence: [(path, place.fileAndLine)]
        case .mapping(let entries): entries.flatMap { leaves(of: $0.value, "\(path).\($0.key)", $0.keyLocation) }
        }
    }
}
