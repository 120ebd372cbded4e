/// A host and a port as people write them: `127.0.0.1:80`, `[::1]:80`, `example.com:80`, `:80`.
///
/// An empty host means "every address of this machine" where we listen and "this machine" where we dial.
package struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// The host without brackets; empty for `:80`.
    package var host: String
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Why a text is no endpoint, in words for its writer.
    package struct ParseError: Error, Hashable {
        package let problem: String
    }

    /// Reads `host:port`; a bare IPv6 address must stand in brackets, as in a URL.
    ///
    /// Port 0 is accepted (the system picks one) because tests and ephemeral listeners need it.
    package init(_ text: String) throws(ParseError) {
        guard let colon = text.lastIndex(of: ":") else {
            throw ParseError(problem: "'\(text)' has no port; write host:port")
        }
        let portText = text[text.index(after: colon)...]
        guard !portText.isEmpty, portText.allSatisfy({ $0.isASCII && $0.isNumber }), let port = UInt16(portText) else {
            throw ParseError(problem: "'\(portText)' is not a port; use a number from 0 to 65535")
        }
        var host = text[..<colon]
        if host.hasPrefix("[") {
            guard host.hasSuffix("]"), host.count > 2, host.contains(":") else {
                throw ParseError(problem: "'\(host)' is not an IPv6 address in brackets; write [::1]:\(port)")
            }
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw ParseError(problem: "an IPv6 address needs brackets: [\(host)]:\(port)")
        }
        guard !host.contains(where: { $0.isWhitespace || $0 == "/" || $0 == "@" || $0 == "[" || $0 == "]" }) else {
            throw ParseError(problem: "'\(host)' is not a host name or address")
        }
        self.init(host: String(host), port: port)
    }

    package var description: String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// True for `""`, `0.0.0.0` and `::`: a listener there has every address of the machine.
    package var isUnspecified: Bool {
        host.isEmpty || host == "0.0.0.0" || host == "::"
    }

    /// True for the addresses and the name that lead back to this machine.
    package var isLoopback: Bool {
        host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }
}
