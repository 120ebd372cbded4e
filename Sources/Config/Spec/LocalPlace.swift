/// One address of this machine as far as a spec alone says it, comparable without asking the system.
///
/// What listens everywhere and what dials a loopback address meet in `anyIPv4` or `anyIPv6`. Two names are one place only
/// when they are the same name: nothing is looked up, so that a manifest reads the same everywhere.
struct LocalPlace: Hashable {
    private enum Host: Hashable {
        /// A literal address in its canonical form, or a name in lower case.
        case named(String)
        case anyIPv4
        case anyIPv6
    }

    private let host: Host
    private let port: UInt16

    /// Where a connection to `endpoint` may arrive; empty for port 0, which nobody can dial.
    static func dialled(_ endpoint: Endpoint) -> [LocalPlace] {
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
        return places(hosts, endpoint.port)
    }

    /// Where a listener at `endpoint` certainly is; empty for port 0, which the system chooses later.
    static func listened(_ endpoint: Endpoint) -> [LocalPlace] {
        let hosts: [Host] =
            switch endpoint.host {
            case "", "::": [.anyIPv4, .anyIPv6]
            case "0.0.0.0": [.anyIPv4]
            case let host: named(host).map(Host.named)
            }
        return places(hosts, endpoint.port)
    }

    /// Whether a connection to `dialled` arrives at the listener.
    static func leads(_ dialled: Endpoint, to listener: Endpoint) -> Bool {
        !Set(self.dialled(dialled)).isDisjoint(with: listened(listener))
    }

    private static func named(_ host: String) -> [String] {
        let name = host.lowercased()
        return name == "localhost" ? ["127.0.0.1", "::1"] : [IPAddress(name)?.description ?? name]
    }

    private static func places(_ hosts: [Host], _ port: UInt16) -> [LocalPlace] {
        port == 0 ? [] : hosts.map { LocalPlace(host: $0, port: port) }
    }
}
