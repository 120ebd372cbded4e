package import Tunnel

/// How a tunnel's plain TCP connections are relayed: what holds on one path has to hold on the other.
package enum RelayPath: CaseIterable, Sendable {
    case reactors
    case channels

    package var environment: TunnelEnvironment {
        var environment = TunnelEnvironment()
        environment.hasReactors = self == .reactors
        return environment
    }
}
