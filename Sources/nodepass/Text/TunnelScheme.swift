import Config

/// The beginning of a URL that runs or makes one tunnel.
enum TunnelScheme {
    private static let known = ["server", "client"]

    /// What is wrong with it; nil for `server://…` and `client://…`, whose rest TunnelURL reads.
    static func problem(_ url: String) -> String? {
        guard let end = url.firstRange(of: "://") else {
            return PlainText.line("'\(url)' is not a URL of a tunnel; write server://… or client://…")
        }
        let scheme = String(url[..<end.lowerBound])
        guard !known.contains(scheme) else { return nil }
        let nearest = EditDistance.nearest(to: scheme, among: known + ["master"])
        let advice = nearest.map { "did you mean '\($0)://'?" } ?? "use server://, client:// or master://"
        return PlainText.line("unknown scheme '\(scheme)'; \(advice)")
    }
}
