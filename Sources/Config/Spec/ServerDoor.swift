/// By what a server knows its clients where other servers listen at the same address.
///
/// Clients of ours name the service they want. Those of v1.14 have only the key, and show it only to servers
/// that take no more than that.
package struct ServerDoor: Sendable, Hashable {
    package let transports: [PoolTransport]
    package let tls: TLSMode
    package let service: String?
    private let key: Secret
    private let isCompatible: Bool

    package init(_ spec: TunnelSpec) {
        transports = spec.transports
        tls = spec.linkTLS
        service = spec.service
        key = Secret(spec.effectiveKey)
        isCompatible = spec.handshake == .compatible
    }

    /// Why the two cannot have one address, and what to change; nil where they can.
    package func problem(beside other: ServerDoor) -> String? {
        guard transports == other.transports, tls == other.tls else {
            return "servers at one address need the same transport and tls"
        }
        guard transports.filter({ $0 != .quic }).count < 2 else {
            return "a server that offers several transports over TCP needs an address of its own"
        }
        if service != other.service { return nil }
        guard service == nil else { return "servers at one address need a service each" }
        let isKeyEnough = key != other.key && (isCompatible || other.isCompatible)
        return isKeyEnough ? nil : "clients cannot say which they mean; give each its own service at both ends"
    }
}
