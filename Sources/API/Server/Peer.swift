import NIOCore

/// Who sent a request.
package enum Peer: Sendable, Hashable, CustomStringConvertible {
    /// The Unix socket: anyone who can open it owns the daemon, so it needs no key.
    case socket
    case address(String)

    init(local: SocketAddress?, remote: SocketAddress?) {
        if case .unixDomainSocket = local {
            self = .socket
        } else {
            self = .address(remote?.ipAddress ?? "unknown")
        }
    }

    package var description: String {
        switch self {
        case .socket: "socket"
        case .address(let address): address
        }
    }
}
