#if QUIC
import CQUIC
import Config
import NIOCore

/// What one side of QUIC's TLS presents or trusts, for any number of connections.
///
/// The library counts its users with atomics, and changes nothing of it once it is made.
final class QUICCredentials: @unchecked Sendable {
    let pointer: OpaquePointer

    /// A server's: the chain, leaf first, and the key, DER; nil where GnuTLS does not take them.
    init?(chain: [[UInt8]], key: [UInt8]) {
        let lengths = chain.map(\.count)
        let copies = chain.map { bytes in
            let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(bytes.count, 1))
            copy.initialize(from: bytes, count: bytes.count)
            return copy
        }
        defer { for copy in copies { copy.deallocate() } }
        let pointers: [UnsafePointer<UInt8>?] = copies.map { UnsafePointer($0) }
        guard let pointer = cq_server_credentials(pointers, lengths, chain.count, key, key.count) else { return nil }
        self.pointer = pointer
    }

    /// A client's: `authorities` is a PEM file, nil where any certificate will do.
    ///
    /// Nil where the file holds none.
    init?(authorities: String?) {
        guard let pointer = cq_client_credentials(authorities) else { return nil }
        self.pointer = pointer
    }

    deinit {
        cq_release(pointer)
    }
}

/// Which certificate a client takes.
struct QUICTrust: Sendable {
    let credentials: QUICCredentials
    /// What a verified certificate has to be for; nil for any certificate.
    var name: String?
    /// Whether the name is sent to the server (SNI).
    var sendsName = false
}

extension cq_settings {
    /// Of a server's connection, or a client's, between two ends that report so often.
    ///
    /// `secret` is the server's, for the tokens of stateless resets and Retry.
    init(isServer: Bool, isOwn: Bool, _ environment: TunnelEnvironment, secret: [UInt8]) {
        self.init()
        let interval = max(environment.reportInterval, TunnelLimits.quicKeepAliveMinimum)
        idle_timeout = UInt64(TimeAmount(interval * 3).nanoseconds)
        keep_alive = UInt64(TimeAmount(interval).nanoseconds)
        handshake_timeout = UInt64(TimeAmount(environment.handshakeTimeout).nanoseconds)
        streams = UInt64(TunnelLimits.quicUnprovenStreams)
        stream_window = UInt64(TunnelLimits.quicStreamWindowBytes)
        connection_window = UInt64(
            isServer ? TunnelLimits.quicUnprovenWindowBytes : TunnelLimits.quicConnectionWindowBytes
        )
        allows_migration = isOwn ? 1 : 0
        withUnsafeMutableBytes(of: &self.secret) { $0.copyBytes(from: secret.prefix($0.count)) }
    }
}
#endif
