import API
import Config
import FoundationEssentials

/// Holds JSON against the JSON Schemas of the API's document.
///
/// It knows the keywords that the document uses; any other is a problem, so that none is ever passed over in silence.
struct SchemaChecker: Sendable {
    /// `components/schemas`.
    let components: JSONValue

    /// What was found wrong, and which members of an object some part of the schema has spoken of.
    private struct Finding {
        var problems: [String] = []
        var evaluated: Set<String> = []

        mutating func take(_ other: Finding) {
            problems += other.problems
            if other.problems.isEmpty { evaluated.formUnion(other.evaluated) }
        }
    }

    func problems(_ value: JSONValue, _ schema: JSONValue, at path: String = "$") -> [String] {
        check(value, schema, path).problems
    }

    /// Every keyword in these schemas that this checker does not know.
    func unknownKeywords() -> Set<String> {
        guard case .object(let members) = components else { return [] }
        return members.reduce(into: []) { $0.formUnion(Self.unknownKeywords(in: $1.value)) }
    }

    private func check(_ value: JSONValue, _ schema: JSONValue, _ path: String) -> Finding {
        guard case .object(let keywords) = schema else {
            return Finding(problems: schema == true ? [] : ["\(path) must not be there"])
        }
        var finding = Finding()
        for unknown in keywords.map(\.name) where !Self.known.contains(unknown) {
            finding.problems.append("\(path): unknown keyword \(unknown)")
        }
        if let name = schema["$ref"]?.stringValue?.split(separator: "/").last {
            finding.take(check(value, components[String(name)] ?? false, path))
        }
        finding.problems += general(value, schema).map { "\(path) \($0)" }
        switch value {
        case .string(let text): finding.problems += string(text, schema, path)
        case .int(let number): finding.problems += self.number(Double(number), schema).map { "\(path) \($0)" }
        case .double(let number): finding.problems += self.number(number, schema).map { "\(path) \($0)" }
        case .array(let items): finding.problems += array(items, schema, path)
        case .object(let members): finding.take(object(members, schema, path))
        case .null, .bool: break
        }
        combine(value, schema, path, &finding)
        if case .object(let members) = value, schema["unevaluatedProperties"] == false {
            let strangers = members.map(\.name).filter { !finding.evaluated.contains($0) }
            finding.problems += strangers.map { "\(path) has \($0), of which no part of its schema speaks" }
        }
        return finding
    }

    // MARK: Keywords

    private func general(_ value: JSONValue, _ schema: JSONValue) -> [String] {
        var problems: [String] = []
        if let type = schema["type"] {
            let types = type.stringValue.map { [$0] } ?? type.items.compactMap(\.stringValue)
            if !types.contains(where: { Self.isType($0, value) }) {
                problems.append("is \(value.compactText), not \(types.joined(separator: " or "))")
            }
        }
        if let words = schema["enum"], !words.items.contains(value) {
            problems.append("is \(value.compactText), which is none of \(words.compactText)")
        }
        if let constant = schema["const"], constant != value {
            problems.append("is \(value.compactText), not \(constant.compactText)")
        }
        return problems
    }

    private func string(_ text: String, _ schema: JSONValue, _ path: String) -> [String] {
        var problems: [String] = []
        let length = Int64(text.unicodeScalars.count)
        if let least = schema["minLength"]?.intValue, length < least { problems.append("\(path) is too short") }
        if let most = schema["maxLength"]?.intValue, length > most { problems.append("\(path) is too long") }
        if let pattern = schema["pattern"]?.stringValue, !Self.matches(text, pattern) {
            problems.append("\(path) is \(text), which is not \(pattern)")
        }
        if schema["format"] == "date-time", text.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/) == nil {
            problems.append("\(path) is \(text), which is no time")
        }
        if let content = schema["contentSchema"] {
            if let value = try? JSONParser.parse(Array(text.utf8)) {
                problems += check(value, content, path).problems
            } else {
                problems.append("\(path) is no JSON: \(text)")
            }
        }
        return problems
    }

    private func number(_ number: Double, _ schema: JSONValue) -> [String] {
        var problems: [String] = []
        if let least = schema["minimum"]?.intValue, number < Double(least) { problems.append("is \(number)") }
        if let most = schema["maximum"]?.intValue, number > Double(most) { problems.append("is \(number)") }
        return problems
    }

    private func array(_ items: [JSONValue], _ schema: JSONValue, _ path: String) -> [String] {
        var problems: [String] = []
        if let least = schema["minItems"]?.intValue, items.count < least {
            problems.append("\(path) has too few items")
        }
        if let most = schema["maxItems"]?.intValue, items.count > most { problems.append("\(path) has too many items") }
        if schema["uniqueItems"] == true, Set(items).count < items.count { problems.append("\(path) repeats an item") }
        guard let item = schema["items"] else { return problems }
        return problems + items.enumerated().flatMap { check($1, item, "\(path)[\($0)]").problems }
    }

    private func object(_ members: [JSONValue.Member], _ schema: JSONValue, _ path: String) -> Finding {
        var finding = Finding()
        let names = members.map(\.name)
        if Set(names).count < names.count { finding.problems.append("\(path) has a member twice") }
        for name in schema["required"]?.items.compactMap(\.stringValue) ?? [] where !names.contains(name) {
            finding.problems.append("\(path) has no \(name)")
        }
        if let most = schema["maxProperties"]?.intValue, names.count > most {
            finding.problems.append("\(path) has too many members")
        }
        for member in members {
            if let rule = schema["propertyNames"] {
                finding.problems += check(.string(member.name), rule, "\(path): a name").problems
            }
            let rules = rules(for: member.name, in: schema)
            for rule in rules { finding.problems += check(member.value, rule, "\(path).\(member.name)").problems }
            if !rules.isEmpty { finding.evaluated.insert(member.name) }
        }
        return finding
    }

    /// What an object's schema says about one member.
    private func rules(for name: String, in schema: JSONValue) -> [JSONValue] {
        var rules = schema["properties"]?[name].map { [$0] } ?? []
        if case .object(let patterns)? = schema["patternProperties"] {
            rules += patterns.filter { Self.matches(name, $0.name) }.map(\.value)
        }
        if rules.isEmpty, let others = schema["additionalProperties"] { rules.append(others) }
        return rules
    }

    private func combine(_ value: JSONValue, _ schema: JSONValue, _ path: String, _ finding: inout Finding) {
        for part in schema["allOf"]?.items ?? [] { finding.take(check(value, part, path)) }
        for (keyword, most) in [("anyOf", Int.max), ("oneOf", 1)] {
            guard let choices = schema[keyword]?.items else { continue }
            let findings = choices.map { check(value, $0, path) }
            let fitting = findings.filter(\.problems.isEmpty)
            for one in fitting { finding.take(one) }
            if fitting.isEmpty { finding.problems += findings.flatMap(\.problems) }
            if fitting.count > most { finding.problems.append("\(path) fits \(fitting.count) choices") }
        }
        if let condition = schema["if"] {
            let met = check(value, condition, path)
            finding.take(Finding(evaluated: met.problems.isEmpty ? met.evaluated : []))
            if let part = schema[met.problems.isEmpty ? "then" : "else"] { finding.take(check(value, part, path)) }
        }
    }

    // MARK: Small parts

    private static let annotations: Set<String> = [
        "description", "title", "examples", "default", "format", "contentMediaType",
    ]
    private static let known: Set<String> = annotations.union([
        "$ref", "type", "enum", "const", "minLength", "maxLength", "pattern", "contentSchema", "minimum", "maximum",
        "items", "minItems", "maxItems", "uniqueItems", "properties", "patternProperties", "additionalProperties",
        "unevaluatedProperties", "propertyNames", "maxProperties", "required", "allOf", "anyOf", "oneOf", "if", "then",
        "else",
    ])
    /// Keywords whose members are named schemas.
    private static let maps: Set<String> = ["properties", "patternProperties"]
    private static let values: Set<String> = ["enum", "const", "examples", "default", "required", "type"]

    private static func unknownKeywords(in schema: JSONValue) -> Set<String> {
        switch schema {
        case .array(let items): return items.reduce(into: []) { $0.formUnion(unknownKeywords(in: $1)) }
        case .object(let keywords):
            return keywords.reduce(into: Set(keywords.map(\.name)).subtracting(known)) { unknown, keyword in
                guard !values.contains(keyword.name) else { return }
                if maps.contains(keyword.name), case .object(let members) = keyword.value {
                    for member in members { unknown.formUnion(unknownKeywords(in: member.value)) }
                } else {
                    unknown.formUnion(unknownKeywords(in: keyword.value))
                }
            }
        default: return []
        }
    }

    private static func isType(_ type: String, _ value: JSONValue) -> Bool {
        switch (type, value) {
        case ("null", .null), ("boolean", .bool), ("integer", .int), ("number", .int), ("number", .double),
            ("string", .string), ("array", .array), ("object", .object):
            true
        default: false
        }
    }

    private static func matches(_ text: String, _ pattern: String) -> Bool {
        guard let regex = try? Regex(pattern) else { return false }
        return text.firstMatch(of: regex) != nil
    }
}
