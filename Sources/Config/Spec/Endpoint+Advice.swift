extension Endpoint {
    /// What people write instead of `host:port`, and what they mean; nil for what is one, or is wrong otherwise.
    static func advice(on text: String) -> String? {
        let bytes = text.utf8
        if let advice = adviceOnList(text) ?? adviceOnVariable(text) ?? adviceOnProtocol(text) { return advice }
        if bytes.contains(UInt8(ascii: "/")) { return adviceOnURL(text) }
        if !text.isEmpty, bytes.allSatisfy(isDigit) {
            return "'\(text)' is a port without a host; write 127.0.0.1:\(text), or :\(text) for every address"
        }
        return adviceOnPublished(text)
    }

    /// `web:80 api:81`, `web:80; api:81`.
    private static func adviceOnList(_ text: String) -> String? {
        let parts = text.split { $0 == " " || $0 == ";" || $0 == "\t" }
        guard parts.count > 1, parts.allSatisfy({ (try? Endpoint(String($0))) != nil }) else { return nil }
        return "takes one address; write several in brackets: [\(parts.joined(separator: ", "))]"
    }

    /// `$HOST:8080`, as shells write it.
    private static func adviceOnVariable(_ text: String) -> String? {
        guard let dollar = text.firstIndex(of: "$") else { return nil }
        let name = text[text.index(after: dollar)...].prefix { $0 == "_" || $0.isASCII && ($0.isLetter || $0.isNumber) }
        guard !name.isEmpty else { return nil }
        return "'$\(name)' is not replaced; write \(text.replacing("$" + name, with: "${env:\(name)}"))"
    }

    /// `53:53/udp`, `web:80/tcp`.
    private static func adviceOnProtocol(_ text: String) -> String? {
        let lower = text.lowercased()
        guard let kind = ["tcp", "udp"].first(where: { lower.hasSuffix("/" + $0) }) else { return nil }
        return "an address has no protocol; write \(text.dropLast(4)) here, and protocols: [\(kind)]"
    }

    /// An address has no scheme and no path.
    private static func adviceOnURL(_ text: String) -> String? {
        // Byte by byte, as it came here: a slash with an accent is no character "/", and has to become shorter.
        guard let scheme = text.firstRange(of: "://") else {
            let address = String(text[..<(text.utf8.firstIndex(of: UInt8(ascii: "/")) ?? text.startIndex)])
            guard !address.isEmpty, (try? Endpoint(address)) != nil else { return nil }
            return "an address has no path; write \(address)"
        }
        let ports = ["http": "80", "ws": "80", "https": "443", "wss": "443"]
        let rest = text[scheme.upperBound...]
        var address = String(rest[..<(rest.utf8.firstIndex { "/?".utf8.contains($0) } ?? rest.endIndex)])
        if let at = address.lastIndex(of: "@") { address = String(address[address.index(after: at)...]) }
        if (try? Endpoint(address)) == nil, let port = ports[text[..<scheme.lowerBound].lowercased()] {
            address += ":" + port
        }
        guard (try? Endpoint(address)) != nil else { return "an address has no scheme; write host:port" }
        return "an address has no scheme and no path; write \(address)"
    }

    /// `8080:80` and `127.0.0.1:8080:80`, as containers publish ports.
    private static func adviceOnPublished(_ text: String) -> String? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let ports = parts.suffix(2)
        let areNumbers = ports.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy(isDigit) }
        guard !text.contains("["), ports.count == 2, areNumbers else { return nil }
        let (outer, inner) = (ports[ports.startIndex], ports[ports.startIndex + 1])
        let host = parts.count == 3 ? parts[0] : ""
        guard parts.count == 3 && host.contains(".") || parts.count == 2 && outer.count > 3 else { return nil }
        let address = host.isEmpty ? "127.0.0.1" : host
        return "'\(text)' has two ports; write tunnel: \(address):\(outer) and target: 127.0.0.1:\(inner)"
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
