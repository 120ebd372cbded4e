/// How values of one kind are written in a URL's query.
struct QuerySyntax<Value: Hashable & Sendable>: Sendable {
    /// Nil for a value that is not used as written.
    let parse: @Sendable (String) -> Value?
    /// What is used instead of an invalid value, and what that means in words.
    let fallback: Value
    let fallbackText: String
    let text: @Sendable (Value) -> String
}

extension QuerySyntax {
    /// A parameter whose values are words of their own.
    static func words(_ words: [(String, Value)], otherwise fallback: Value, _ fallbackText: String) -> QuerySyntax {
        QuerySyntax(
            parse: { text in words.first { $0.0 == text }?.1 },
            fallback: fallback,
            fallbackText: fallbackText,
            text: { value in words.first { $0.1 == value }?.0 ?? "" }
        )
    }
}

extension QuerySyntax<Int> {
    static func number(_ range: ClosedRange<Int>, otherwise fallback: Int, _ fallbackText: String) -> QuerySyntax {
        QuerySyntax(
            parse: { text in Int(text).flatMap { range.contains($0) ? $0 : nil } },
            fallback: fallback,
            fallbackText: fallbackText,
            text: { String($0) }
        )
    }
}

extension QuerySyntax<Duration> {
    static func duration(otherwise fallback: Duration, _ fallbackText: String) -> QuerySyntax {
        QuerySyntax(
            parse: { GoDuration.parse($0) },
            fallback: fallback,
            fallbackText: fallbackText,
            text: { GoDuration.text($0) }
        )
    }
}

extension QuerySyntax<String?> {
    static let serverName = QuerySyntax(parse: { .some($0) }, fallback: nil, fallbackText: "none", text: { $0 ?? "" })

    static let urlPath = QuerySyntax(
        parse: { TunnelSpec.isPath($0) ? .some($0) : nil },
        fallback: nil,
        fallbackText: "/: a path begins with '/' and has no blanks",
        text: { $0 ?? "" }
    )

    static let service = QuerySyntax(
        parse: { TunnelSpec.isService($0) ? .some($0) : nil },
        fallback: nil,
        fallbackText: "none",
        text: { $0 ?? "" }
    )

    static let sourceAddress = QuerySyntax(
        parse: { text in
            if text == "auto" { return .some(nil) }
            return IPAddress(text) == nil ? nil : .some(text)
        },
        fallback: nil,
        fallbackText: "auto: it is not an IP address",
        text: { $0 ?? "auto" }
    )
}

extension QuerySyntax<ProxyAddress?> {
    static let proxy = QuerySyntax(
        parse: { text in (try? ProxyAddress(text)).map { .some($0) } },
        fallback: nil,
        fallbackText: "none",
        text: { $0?.url ?? "" }
    )
}
