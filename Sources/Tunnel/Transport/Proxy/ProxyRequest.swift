package import Config
import FoundationEssentials

/// Asks a proxy for a connection to a server, as HTTP CONNECT (RFC 9110 §9.3.6) or SOCKS5 (RFC 1928,
/// RFC 1929); decisions only.
package struct ProxyRequest: Sendable {
    package enum Step: Sendable, Hashable {
        case more
        /// Say this, and wait for the answer.
        case send([UInt8])
        /// The connection is the server's; what came behind the answer is its first bytes.
        case connected([UInt8])
        /// What the proxy answered, in words.
        case refused(String)
    }

    private enum State: Sendable {
        case http(HTTPHead)
        case socksMethod
        case socksPassword
        case socksReply
        case done
    }

    private let proxy: ProxyAddress
    private let server: Endpoint
    private var state: State
    private var held: [UInt8] = []

    package init(_ proxy: ProxyAddress, to server: Endpoint) {
        self.proxy = proxy
        self.server = server
        state = proxy.kind == .http ? .http(HTTPHead(beginning: "HTTP/1.")) : .socksMethod
    }

    /// What to send first.
    package var greeting: [UInt8] {
        switch proxy.kind {
        case .http:
            var lines = ["CONNECT \(server) HTTP/1.1", "Host: \(server)"]
            if let user = proxy.user {
                let text = "\(user):\(proxy.password?.value ?? "")"
                lines.append("Proxy-Authorization: Basic \(Data(text.utf8).base64EncodedString())")
            }
            return Array((lines + ["", ""]).joined(separator: "\r\n").utf8)
        case .socks5: return proxy.user == nil ? [5, 1, 0] : [5, 1, 2]
        }
    }

    /// Takes the proxy's next bytes.
    package mutating func received(_ bytes: some Collection<UInt8>) -> Step {
        guard case .http(var head) = state else { return receivedSOCKS(bytes) }
        // The state's copy would make every append copy what is held.
        state = .done
        switch head.append(bytes) {
        case .incomplete:
            state = .http(head)
            return .more
        case .malformed: return .refused("it does not speak HTTP")
        case .head(let lines, let rest):
            let parts = lines[0].split(separator: " ", maxSplits: 1)
            let answer = parts.count > 1 ? HTTPHead.quoted(parts[1]) : "no status"
            return answer.hasPrefix("2") ? .connected(rest) : .refused(answer)
        }
    }

    private mutating func receivedSOCKS(_ bytes: some Collection<UInt8>) -> Step {
        held += bytes
        switch state {
        case .socksMethod:
            guard let answer = take(2) else { return .more }
            switch (answer[0], answer[1]) {
            case (5, 0): return connect()
            case (5, 2) where proxy.user != nil:
                state = .socksPassword
                let user = Array((proxy.user ?? "").utf8)
                let password = Array((proxy.password?.value ?? "").utf8)
                return .send([1, UInt8(user.count)] + user + [UInt8(password.count)] + password)
            case (5, _): return refuse("it wants another way to log in")
            default: return refuse("it does not speak SOCKS5")
            }
        case .socksPassword:
            guard let answer = take(2) else { return .more }
            return answer[1] == 0 ? connect() : refuse("wrong user or password")
        case .socksReply:
            guard held.count >= 5 else { return .more }
            guard held[0] == 5, held[1] == 0 else { return refuse(Self.words(held[1])) }
            let addressLength: Int? =
                switch held[3] {
                case 1: 4
                case 3: Int(held[4]) + 1
                case 4: 16
                default: nil
                }
            guard let addressLength else { return refuse("its answer cannot be read") }
            guard take(4 + addressLength + 2) != nil else { return .more }
            state = .done
            return .connected(held)
        case .http, .done: return .more
        }
    }

    private mutating func connect() -> Step {
        state = .socksReply
        let port = [UInt8(server.port >> 8), UInt8(server.port & 0xFF)]
        // The proxy looks names up: where a proxy is needed, its DNS is often the only one.
        guard let address = IPAddress(server.host) else {
            let name = Array(server.host.utf8.prefix(255))
            return .send([5, 1, 0, 3, UInt8(name.count)] + name + port)
        }
        return .send([5, 1, 0, address.bytes.count == 4 ? 1 : 4] + address.bytes + port)
    }

    private mutating func take(_ count: Int) -> [UInt8]? {
        guard held.count >= count else { return nil }
        defer { held.removeFirst(count) }
        return Array(held.prefix(count))
    }

    private mutating func refuse(_ why: String) -> Step {
        state = .done
        return .refused(why)
    }

    /// RFC 1928 §6.
    private static func words(_ code: UInt8) -> String {
        let words = [
            "general failure", "not allowed by its rules", "network unreachable", "host unreachable",
            "connection refused", "TTL expired", "command not supported", "address type not supported",
        ]
        return (1...8).contains(code) ? "\(words[Int(code) - 1]) (\(code))" : "failure \(code)"
    }
}
