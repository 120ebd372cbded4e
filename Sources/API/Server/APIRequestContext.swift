package import Hummingbird
import NIOCore

/// What the handlers know of a request besides its text: where it came from.
package struct APIRequestContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    package let peer: Peer

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        peer = Peer(local: source.channel.localAddress, remote: source.channel.remoteAddress)
    }
}

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
