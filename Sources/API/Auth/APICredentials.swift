package import Config
package import FoundationEssentials
package import Reconciler
package import Tunnel

/// What the API shows its clients over TLS.
package enum APICredentials {
    /// A kept certificate that ends sooner than this is made anew at the next start.
    private static let renewal: TimeInterval = 30 * 86_400
    private static let certificateSetting = "api_certificate"
    private static let keySetting = "api_certificate_key"

    /// Loads the files, or the self-signed certificate that `store` keeps, made on first need; nil
    /// for `.off`.
    ///
    /// `host` is where the API listens: the certificate names it, beside this machine's name and
    /// its loopback addresses. Throws a `TunnelError` that says which file is wrong and why, or a
    /// `StateStoreError`.
    package static func load(
        _ mode: TLSMode,
        store: StateStore,
        host: String,
        now: Date = Date()
    ) throws -> ServerCredentials? {
        let stored = mode == .selfSigned ? try certificate(in: store, host: host, now: now) : nil
        return try ServerCredentials(mode, for: .web, stored: stored)
    }

    private static func certificate(in store: StateStore, host: String, now: Date) throws -> StoredCertificate {
        if let kept = try stored(in: store), let end = kept.notAfter, end.timeIntervalSince(now) > renewal {
            return kept
        }
        let address = IPAddress(host)
        let names = ["localhost", ProcessInfo.processInfo.hostName] + (address == nil && !host.isEmpty ? [host] : [])
        let addresses = [IPAddress("127.0.0.1"), IPAddress("::1"), address].compactMap(\.self)
        let made = try StoredCertificate.make(
            names: Array(Set(names)).sorted(),
            addresses: addresses,
            now: now
        )
        try store.setSettings([
            certificateSetting: Data(made.certificate).base64EncodedString(),
            keySetting: Data(made.key).base64EncodedString(),
        ])
        return made
    }

    private static func stored(in store: StateStore) throws -> StoredCertificate? {
        guard let certificate = try store.setting(certificateSetting).flatMap({ Data(base64Encoded: $0) }),
            let key = try store.setting(keySetting).flatMap({ Data(base64Encoded: $0) })
        else { return nil }
        return StoredCertificate(certificate: Array(certificate), key: Array(key))
    }
}
