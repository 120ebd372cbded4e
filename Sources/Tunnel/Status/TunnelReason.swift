/// Why a tunnel is in its phase: a closed set of words, so that scripts and dashboards can match
/// them.
package enum TunnelReason: String, Sendable, Hashable, CaseIterable {
    case portInUse = "PortInUse"
    case addressNotAvailable = "AddressNotAvailable"
    case noPermission = "NoPermission"
    case authFailed = "AuthFailed"
    case peerUnreachable = "PeerUnreachable"
    /// Another client has the tunnel; this one takes over when that one is gone.
    case standby = "Standby"
    case tlsFingerprintMismatch = "TLSFingerprintMismatch"
    /// The server offers less TLS than this client accepts.
    case tlsDowngraded = "TLSDowngraded"
    /// The peer offers the handshake of v1.14, and this end accepts the sealed one only.
    case peerDowngraded = "PeerDowngraded"
    /// Several tunnels share the server's port, and the client does not say which of them it means.
    case serviceUnknown = "ServiceUnknown"
    /// The proxy in between does not connect to the server.
    case proxyRefused = "ProxyRefused"
    case certificateInvalid = "CertificateInvalid"
    case targetUnreachable = "TargetUnreachable"
    case nameNotResolved = "NameNotResolved"
    case invalidSpec = "InvalidSpec"
    case notSupportedYet = "NotSupportedYet"
    case tooManyOpenFiles = "TooManyOpenFiles"
    case internalError = "InternalError"
}
