/// A host and a port as people write them: `127.0.0.1:80`, `[::1]:80`, `example.com:80`, `:80`.
///
/// An empty host means "every address of this machine" where we listen and "this machine" where we
/// dial.
package struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// The host without brackets; empty for `:80`.
    package var host: String
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Why a text is not an endpoint, in words for a message.
    package struct ParseError: Error, Hashable {
        package let problem: String
    }

    /// Reads `host:port`; an IPv6 address needs brackets, as in a URL.
    ///
    /// Port 0 is accepted (the system picks one) because tests and ephemeral listeners need it.
    package init(_ text: String) throws(ParseError) {
        do throws(ParseError) {
            try self.init(parsing: text)
        } catch {
            guard let at = text.lastIndex(of: "@") else { throw error }
            // Before it is mostly the key of a URL.
            throw ParseError(problem: error.problem.replacing(text[..<at], with: "…"))
        }
    }

    private init(parsing text: String) throws(ParseError) {
        if let advice = Endpoint.advice(on: text) { throw ParseError(problem: advice) }
        let bytes = text.utf8
        guard let colon = bytes.lastIndex(of: UInt8(ascii: ":")) else {
            throw ParseError(problem: "'\(text)' has no port; write host:port")
        }
        let portText = text[bytes.index(after: colon)...]
        let isNumber = portText.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard !portText.isEmpty, isNumber, let port = UInt16(portText) else {
            throw ParseError(problem: "'\(portText)' is not a port; use a number from 0 to 65535")
        }
        var host = text[..<colon]
        if host.utf8.first == UInt8(ascii: "[") {
            guard host.utf8.last == UInt8(ascii: "]"), host.utf8.count > 2, host.utf8.contains(UInt8(ascii: ":")) else {
                throw ParseError(problem: "'\(host)' is not an IPv6 address in brackets; write [::1]:\(port)")
            }
            host = host.dropFirst().dropLast()
        } else if host.utf8.contains(UInt8(ascii: ":")) {
            let isAddress = IPAddress(host) != nil
            let advice =
                isAddress
                ? "an IPv6 address needs brackets: [\(host)]:\(port)" : "'\(host)' is not a host name or address"
            throw ParseError(problem: advice)
        }
        if let problem = Endpoint.problem(ofHost: host) { throw ParseError(problem: problem) }
        self.init(host: String(host), port: port)
    }

    /// Byte by byte where it can be: a manifest has thousands of them.
    private static func problem(ofHost text: Substring) -> String? {
        var isASCII = true
        for byte in text.utf8 {
            if byte >= 0x80 {
                isASCII = false
            } else if !mayStandInHost(byte) {
                return "'\(text)' is not a host name or address"
            }
        }
        guard !isASCII else { return nil }
        do throws(HostName.Problem) {
            _ = try HostName.ascii(String(text))
            return nil
        } catch {
            return error.message
        }
    }

    /// What ends a host in a URL or cannot be in one (RFC 3986 §2.2), controls aside.
    private static let strangers = Set("/@[]#?\\\"<>^`{|}".utf8)

    /// Whether a byte of ASCII may be part of a host name or address.
    static func mayStandInHost(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte != 0x7f && !strangers.contains(byte)
    }

    package var description: String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// True for `""`, `0.0.0.0` and `::`: a listener there has every address of the machine.
    package var isUnspecified: Bool {
        host.isEmpty || host == "0.0.0.0" || host == "::"
    }

    /// True for the addresses and the name that mean this machine.
    package var isLoopback: Bool {
        // A name may begin like an address: `127.example.com` can be any machine.
        host == "localhost" || host == "::1" || (host.hasPrefix("127.") && IPAddress(host) != nil)
    }
}
