import API
import Config
import HTTPTypes
import Synchronization

/// The document a daemon serves, as what every exchange with it has to keep to.
struct APIDocument: Sendable {
    /// One request and what came of it.
    struct Exchange: Sendable {
        let method: HTTPRequest.Method
        /// With its query.
        let path: String
        let body: String?
        let answer: Answer
    }

    let json: JSONValue
    let checker: SchemaChecker

    init(_ json: JSONValue) {
        self.json = json
        checker = SchemaChecker(components: json["components"]?["schemas"] ?? .null)
    }

    /// What of an exchange the document does not say, or says otherwise.
    func problems(_ exchange: Exchange) -> [String] {
        let pieces = exchange.path.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = String(pieces[0])
        if exchange.method == .options { return exchange.answer.status == 200 ? [] : ["OPTIONS is refused"] }
        guard let item = item(for: path) else { return undocumented(path, exchange.answer) }
        guard let operation = item[exchange.method.rawValue.lowercased()] else {
            return refusal(exchange, item, isWithoutID: path.hasSuffix("/"))
        }
        let status = exchange.answer.status
        guard let response = operation["responses"]?[String(status)] else { return ["\(status) is not documented"] }
        var problems = content(exchange.answer, response) + headers(exchange.answer, response)
        if (200..<300).contains(status) {
            problems += request(exchange, operation)
            if pieces.count == 2 { problems += parameters(pieces[1], operation) }
        }
        return problems
    }

    /// The templates of its paths and, for each, the methods.
    var operations: [(path: String, methods: [String])] {
        guard let paths = json["paths"] else { return [] }
        return paths.names.map { path in
            (path, (paths[path]?.names ?? []).filter { $0 != "parameters" }.map { $0.uppercased() })
        }
    }

    // MARK: Finding

    private func item(for path: String) -> JSONValue? {
        guard case .object(let items)? = json["paths"] else { return nil }
        let segments = path.split(separator: "/", omittingEmptySubsequences: false)
        let fitting = items.filter { item in
            let template = item.name.split(separator: "/", omittingEmptySubsequences: false)
            return template.count == segments.count
                && zip(template, segments).allSatisfy { $0 == $1 || $0.hasPrefix("{") }
        }
        return (fitting.first { $0.name == path } ?? fitting.first)?.value
    }

    /// The parts of the pages, and what is no route.
    private func undocumented(_ path: String, _ answer: Answer) -> [String] {
        if APIApplication.assetPaths.contains(path) { return [] }
        let isNotFound = answer.status == 404 && ["404 page not found\n", ""].contains(answer.text)
        return isNotFound ? [] : ["\(path) is not documented, and answers \(answer.status)"]
    }

    /// A method that the path does not have; one of a collection with a slash at its end lacks an id.
    private func refusal(_ exchange: Exchange, _ item: JSONValue, isWithoutID: Bool) -> [String] {
        let answer = exchange.answer
        let statuses: Set = isWithoutID ? [400, 401, 405, 429] : [401, 404, 405, 429]
        guard statuses.contains(answer.status) else { return ["it is not documented, and answers \(answer.status)"] }
        return answer.text.isEmpty ? [] : body(answer, ["$ref": "#/components/schemas/Error"])
    }

    // MARK: Answers

    private func content(_ answer: Answer, _ response: JSONValue) -> [String] {
        guard case .object(let forms)? = response["content"] else {
            return answer.text.isEmpty ? [] : ["a body is not documented: \(answer.text.prefix(80))"]
        }
        let type = answer.headers[.contentType]?.split(separator: ";").first.map(String.init) ?? ""
        guard let schema = forms.first(where: { $0.name == type })?.value["schema"] else {
            return ["\(answer.status) as '\(type)' is not documented"]
        }
        switch type {
        case "application/json": return body(answer, schema)
        case "text/event-stream": return stream(answer, schema)
        default: return answer.text.isEmpty ? ["it has no body"] : []
        }
    }

    private func body(_ answer: Answer, _ schema: JSONValue) -> [String] {
        guard let value = try? answer.json else { return ["it is no JSON: \(answer.text.prefix(80))"] }
        return checker.problems(value, schema) + (answer.text.hasSuffix("\n") ? [] : ["it ends without a line feed"])
    }

    private func stream(_ answer: Answer, _ schema: JSONValue) -> [String] {
        var parser = ServerSentEventParser()
        guard let events = try? parser.take(answer.text.utf8) else { return ["it is no event stream"] }
        return events.flatMap { event in
            var members = [JSONValue.Member("event", .string(event.name)), .init("data", .string(event.data))]
            if let id = event.id { members.append(.init("id", .string(id))) }
            return checker.problems(.object(members), schema, at: event.name)
        }
    }

    /// What is required is there; what a client may want to read is documented.
    private func headers(_ answer: Answer, _ response: JSONValue) -> [String] {
        var documented: [JSONValue.Member] = []
        if case .object(let members)? = response["headers"] { documented = members }
        var problems: [String] = []
        for header in documented {
            guard let name = HTTPField.Name(header.name), let value = answer.headers[name] else {
                if header.value["required"] == true { problems.append("it has no \(header.name)") }
                continue
            }
            let isNumber = header.value["schema"]?["type"] == "integer"
            let typed = isNumber ? Int64(value).map(JSONValue.int) ?? .string(value) : .string(value)
            problems += checker.problems(typed, header.value["schema"] ?? true, at: header.name)
        }
        for name in [HTTPField.Name.eTag, .retryAfter, .location] where answer.headers[name] != nil {
            let isDocumented = documented.contains { $0.name.lowercased() == name.canonicalName }
            if !isDocumented { problems.append("\(name) is not documented") }
        }
        return problems
    }

    // MARK: Requests

    /// What the daemon took is what the document says it takes.
    private func request(_ exchange: Exchange, _ operation: JSONValue) -> [String] {
        guard let schema = operation["requestBody"]?["content"]?["application/json"]?["schema"] else { return [] }
        guard let value = try? JSONParser.parse(Array((exchange.body ?? "").utf8)) else {
            return ["a body that is no JSON was taken"]
        }
        return checker.problems(value, schema, at: "the body taken")
    }

    private func parameters(_ query: Substring, _ operation: JSONValue) -> [String] {
        let known = operation["parameters"]?.items.filter { $0["in"] == "query" }.compactMap { $0["name"]?.stringValue }
        return query.split(separator: "&").compactMap { pair in
            let name = String(pair.prefix { $0 != "=" })
            return known?.contains(name) == true ? nil : "the parameter \(name) is not documented"
        }
    }
}

extension APIDocument {
    /// One for each prefix: all daemons with the same one serve the same.
    private static let read = Mutex<[String: APIDocument]>([:])

    /// The document that this daemon serves.
    static func of(_ prefix: String, fetch: () async throws -> JSONValue) async throws -> APIDocument {
        if let document = read.withLock({ $0[prefix] }) { return document }
        let document = APIDocument(try await fetch())
        read.withLock { $0[prefix] = document }
        return document
    }
}
