/// One address of this machine as far as a spec alone says it, comparable without asking the
/// system.
///
/// A listener at every address and a connection to a loopback address have `anyIPv4` or `anyIPv6`
/// in common. Two names are one address only when they are the same name: nothing is looked up, so
/// that a manifest means the same everywhere.
struct LocalAddress: Hashable {
    private enum Host: Hashable {
        /// A literal address in its canonical form, or a name in lower case.
        case named(String)
        case anyIPv4
        case anyIPv6
    }

    private let host: Host
    private let port: UInt16

    /// Where a connection to `endpoint` may arrive; empty for port 0, to which nobody can connect.
    static func dialed(_ endpoint: Endpoint) -> [LocalAddress] {
        let hosts: [Host] =
            switch endpoint.host {
            case "", "0.0.0.0": [.named("127.0.0.1"), .anyIPv4]
            case "::": [.named("::1"), .anyIPv6]
            case let host:
                named(host).flatMap { name -> [Host] in
                    guard let address = IPAddress(name) else { return [.named(name)] }
                    guard Endpoint(host: name, port: 0).isLoopback else { return [.named(name)] }
                    return [.named(name), address.isIPv4 ? .anyIPv4 : .anyIPv6]
                }
            }
        return addresses(hosts, endpoint.port)
    }

    /// Where a listener at `endpoint` certainly is found; empty for port 0, which the system
    /// chooses later.
    static func listened(_ endpoint: Endpoint) -> [LocalAddress] {
        let hosts: [Host] =
            switch endpoint.host {
            case "", "::": [.anyIPv4, .anyIPv6]
            case "0.0.0.0": [.anyIPv4]
            case let host: named(host).map(Host.named)
            }
        return addresses(hosts, endpoint.port)
    }

    /// Whether a connection to `endpoint` arrives at the listener.
    static func leads(_ endpoint: Endpoint, to listener: Endpoint) -> Bool {
        !Set(dialed(endpoint)).isDisjoint(with: listened(listener))
    }

    private static func named(_ host: String) -> [String] {
        let name = host.lowercased()
        return name == "localhost" ? ["127.0.0.1", "::1"] : [IPAddress(name)?.description ?? name]
    }

    private static func addresses(_ hosts: [Host], _ port: UInt16) -> [LocalAddress] {
        port == 0 ? [] : hosts.map { LocalAddress(host: $0, port: port) }
    }
}
