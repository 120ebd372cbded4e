package import Config
import Glibc
import NIOCore

/// Whether a tunnel could listen at an address now, for those who ask before they create it.
package enum PortCheck {
    /// What listening there would fail with; nil where it would work, and for a name, which only the tunnel looks up.
    package static func problem(at address: ListenAddress) -> TunnelError? {
        let endpoint = address.endpoint
        let host = endpoint.isUnspecified && IPAddress(endpoint.host) == nil ? "0.0.0.0" : endpoint.host
        guard let place = try? SocketAddress(ipAddress: host, port: Int(endpoint.port)) else { return nil }
        let kind = address.transport == .tcp ? SOCK_STREAM : SOCK_DGRAM
        let type = Int32(kind.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(place.protocol == .inet6 ? AF_INET6 : AF_INET, type, 0)
        guard descriptor >= 0 else { return nil }
        defer { _ = Glibc.close(descriptor) }
        if address.transport == .tcp {
            // Closed connections of a former listener are no listener.
            var on: CInt = 1
            _ = setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        }
        let result = place.withSockAddr { bind(descriptor, $0, socklen_t($1)) }
        guard result != 0 else { return nil }
        return .binding(endpoint, address.transport, IOError(errnoCode: errno, reason: "bind"))
    }
}

extension TunnelSpec {
    /// Why no daemon of this version could run it, wherever it is; nil where it could.
    package var unsupported: TunnelError? { TunnelLife.problem(of: self) }

    /// What is wrong with a server's certificate files now, which this reads; nil where nothing is, or there are none.
    package var certificateProblem: TunnelError? {
        guard role == .server, let tls, [.off, .selfSigned].allSatisfy({ $0 != tls }) else { return nil }
        do throws(TunnelError) {
            _ = try ServerCredentials(tls)
            return nil
        } catch {
            return error
        }
    }
}
