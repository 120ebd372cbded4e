import Config
import NIOCore

/// What new connections of a tunnel are to be treated by: the live part of its spec, made ready for
/// the data plane.
///
/// Immutable; a live change puts a new one in its place, and connections keep the one they began
/// with.
final class ForwardingPlan: Sendable {
    let rotation: TargetRotation
    let connectionLimit: Int
    let readTimeout: TimeAmount?
    let keepAlive: KeepAlive?
    let dnsTTL: Duration
    let dialFrom: SocketAddress?
    let proxyProtocol: ProxyProtocol
    let sniffer: ProtocolSniffer?
    let access: AccessRules?
    let rates: RatePair?
    let protocols: Set<TransportProtocol>
    let pool: PoolSize
    /// How long a user and a target may stay as they are.
    let relayTerms: RelayTerms

    /// Parts of `former` that did not change are carried over, so that rotation and the rate's
    /// clock go on where they were.
    init(_ spec: TunnelSpec, following former: ForwardingPlan?) {
        rotation =
            former.flatMap { $0.rotation.targets == spec.targets ? $0.rotation : nil }
            ?? TargetRotation(targets: spec.targets, following: former?.rotation)
        connectionLimit = spec.connections
        readTimeout = spec.readTimeout > .zero ? TimeAmount(spec.readTimeout) : nil
        keepAlive = KeepAlive(spec)
        dnsTTL = spec.dnsTTL
        dialFrom = spec.dialFrom.flatMap { try? SocketAddress(ipAddress: $0, port: 0) }
        proxyProtocol = spec.proxyProtocol
        sniffer = spec.block.isEmpty ? nil : ProtocolSniffer(blocked: spec.block)
        access = spec.access.isEmpty ? nil : spec.access
        rates = spec.rateBytesPerSecond.map { rate in
            if let same = former?.rates, same.bytesPerSecond == rate { return same }
            return RatePair(bytesPerSecond: rate)
        }
        protocols = spec.protocols
        pool = spec.pool
        relayTerms = RelayTerms(read: spec.readTimeout, keepAlive)
    }

    /// Nothing has to be looked at or held back: the kernel may move the bytes.
    var isPlain: Bool { sniffer == nil && rates == nil }

    func admits(_ user: SocketBytes) -> Bool { access == nil || admits(SocketAddress(user)) }

    func admits(_ user: SocketAddress?) -> Bool {
        guard let access else { return true }
        guard let address = user.flatMap({ IPAddress($0) }) else { return false }
        return access.admits(address)
    }
}
