import API
import Config

/// A remote daemon's API, as `--server` names it: `HOST:PORT`, or a URL.
struct ServerAddress: Sendable, Hashable {
    enum Scheme: String, Sendable {
        case http
        case https
    }

    /// Nil where the text has none: it is found out by asking.
    let scheme: Scheme?
    /// As name servers know it, an IPv6 address without its brackets.
    let host: String
    let port: Int
    /// The API's prefix without a slash at its end; NodePass has one always.
    let prefix: String
    /// Whether the text has a path of its own.
    let namesPrefix: Bool

    /// Where the API listens when nobody says otherwise.
    static let defaultPort = 9090

    init(_ text: String) throws(CommandFailure) {
        let separator = text.firstRange(of: "://")
        let word = separator.map { text[..<$0.lowerBound].lowercased() }
        scheme = word.flatMap { Scheme(rawValue: $0) }
        if word != nil, scheme == nil { throw CommandFailure(message: Self.form(text)) }
        let rest = text[(separator?.upperBound ?? text.startIndex)...]
        let authority = rest.prefix { !"/?#".contains($0) }
        let path = rest[authority.endIndex...].prefix { !"?#".contains($0) }
        let segments = path.split(separator: "/")
        namesPrefix = !segments.isEmpty
        prefix = APIApplication.normalized(String(path))
        (host, port) = try Self.place(authority, scheme, text)
    }

    private static func place(
        _ authority: Substring,
        _ scheme: Scheme?,
        _ text: String
    ) throws(CommandFailure) -> (String, Int) {
        let usual =
            switch scheme {
            case nil: defaultPort
            case .http: 80
            case .https: 443
            }
        let closing = authority.lastIndex(of: "]")
        let last = authority.lastIndex(of: ":")
        let isInBrackets = last.flatMap { colon in closing.map { colon < $0 } } ?? false
        let colon = isInBrackets ? nil : last
        let name = authority[..<(colon ?? authority.endIndex)].filter { !"[]".contains($0) }
        guard !name.isEmpty, !authority.contains("@"), let ascii = try? HostName.ascii(name) else {
            throw CommandFailure(message: form(text))
        }
        guard let colon else { return (ascii, usual) }
        guard let port = UInt16(authority[authority.index(after: colon)...]), port > 0 else {
            throw CommandFailure(message: form(text))
        }
        return (ascii, Int(port))
    }

    private static func form(_ text: String) -> String {
        "'\(text)' is not the address of a daemon: write HOST:PORT, or http://HOST:PORT/PREFIX"
    }

    /// `HOST:PORT` with the brackets of an IPv6 address.
    var place: String { (host.contains(":") ? "[\(host)]" : host) + ":\(port)" }

    func url(_ scheme: Scheme) -> String { "\(scheme.rawValue)://\(place)\(prefix)" }

    /// Whether what is sent there stays on this machine.
    var isLoopback: Bool { Endpoint(host: host, port: UInt16(port)).isLoopback }
}
