/// The texts of one tunnel's spec that came from references, so that logs and messages mask them.
///
/// All values are equal: what is hidden makes no difference to what a tunnel does, and specs
/// compare by that.
package struct SecretTexts: Sendable, Hashable {
    /// Shorter ones are part of too many words, and are not secrets.
    private static let shortestBytes = 4

    /// Longest first: masking a text that is part of another would leave the rest of that one
    /// visible.
    private let texts: [String]

    package init(_ texts: [String] = []) {
        let maskable = Set(texts.filter { $0.utf8.count >= Self.shortestBytes })
        self.texts = maskable.sorted { ($1.utf8.count, $0) < ($0.utf8.count, $1) }
    }

    package func masked(in text: String) -> String {
        texts.reduce(text) { $0.replacing($1, with: Secret.mask) }
    }

    package static func == (_: SecretTexts, _: SecretTexts) -> Bool { true }

    package func hash(into hasher: inout Hasher) {}
}

extension TunnelSpec {
    /// The same tunnel, with the values at these paths marked as secret.
    package func hiding(_ secretPaths: Set<String>) -> TunnelSpec {
        // No message holds the key.
        guard secretPaths != ["key"] else { return self }
        var spec = self
        var texts: [String] = []
        if secretPaths.contains("tunnel") { texts += [tunnel.description, tunnel.host] }
        if secretPaths.contains("target") { texts += targets.flatMap { [$0.description, $0.host] } }
        if secretPaths.contains("sni"), let sni { texts.append(sni) }
        if secretPaths.contains("via"), let via {
            texts += [via.url, via.description, via.endpoint.description, via.endpoint.host]
        }
        if secretPaths.contains("dial"), let dialFrom { texts.append(dialFrom) }
        if case .files(let certificate, let key) = tls {
            if secretPaths.contains("tls.certificate") { texts.append(certificate) }
            if secretPaths.contains("tls.key") { texts.append(key) }
        }
        spec.secretTexts = SecretTexts(texts)
        return spec
    }
}
