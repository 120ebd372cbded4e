/// One `name=value` of a query, decoded.
package struct QueryParameter: Sendable, Hashable {
    package let name: String
    package let value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// The query of a URL as an ordered list, escaped as Go's `net/url` does it.
package struct QueryString {
    package private(set) var parameters: [QueryParameter]

    /// Reads `a=1&b=2`; what is not a valid escape stays as it is.
    package init(_ text: some StringProtocol) {
        parameters = Substring(text).split(separator: "&").map { part in
            let equals = part.firstIndex(of: "=")
            let name: Substring = equals.map { part[..<$0] } ?? part
            let value: Substring = equals.map { part[part.index(after: $0)...] } ?? ""
            return QueryParameter(name: PercentCoding.decodeForm(name), value: PercentCoding.decodeForm(value))
        }
    }

    package init(_ parameters: [QueryParameter]) {
        self.parameters = parameters
    }

    /// The first value of a parameter, nil when there is none or it is empty.
    func value(_ name: String) -> String? {
        guard let first = parameters.first(where: { $0.name == name }), !first.value.isEmpty else { return nil }
        return first.value
    }

    func contains(_ name: String) -> Bool {
        parameters.contains { $0.name == name }
    }

    /// Replaces every value of a parameter by one.
    mutating func set(_ parameter: QueryParameter) {
        parameters.removeAll { $0.name == parameter.name }
        parameters.append(parameter)
    }

    /// Every value of a parameter, in the order given.
    package func values(_ name: String) -> [String] {
        parameters.filter { $0.name == name }.map(\.value)
    }

    /// Sorted by name, equal names in the order given: what Go's `Values.Encode` writes.
    package var sortedText: String {
        let order = parameters.indices.sorted { a, b in
            let (first, second) = (parameters[a].name, parameters[b].name)
            return first == second ? a < b : first.utf8.lexicographicallyPrecedes(second.utf8)
        }
        return order.map { QueryString.text(parameters[$0]) }.joined(separator: "&")
    }

    static func text(_ parameter: QueryParameter) -> String {
        escaped(parameter.name) + "=" + escaped(parameter.value)
    }

    private static func escaped(_ text: String) -> String {
        PercentCoding.encode(text, keeping: "-_.~", blank: "+")
    }
}
