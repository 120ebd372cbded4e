extension Endpoint {
    /// What people write instead of `host:port`, and what they mean; nil for what is one, or is wrong otherwise.
    static func advice(on text: String) -> String? {
        let bytes = text.utf8
        if bytes.contains(UInt8(ascii: "/")) { return adviceOnURL(text) }
        if !text.isEmpty, bytes.allSatisfy(isDigit) {
            return "'\(text)' is a port without a host; write 127.0.0.1:\(text), or :\(text) for every address"
        }
        return adviceOnPublished(text)
    }

    /// An address has no scheme and no path.
    private static func adviceOnURL(_ text: String) -> String? {
        guard let scheme = text.firstRange(of: "://") else {
            let end = text.firstIndex(of: "/") ?? text.endIndex
            let address = String(text[..<end])
            guard end > text.startIndex, (try? Endpoint(address)) != nil else { return nil }
            return "an address has no path; write \(address)"
        }
        let ports = ["http": "80", "ws": "80", "https": "443", "wss": "443"]
        var address = String(text[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" })
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
