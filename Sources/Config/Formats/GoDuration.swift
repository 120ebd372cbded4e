/// Durations in Go's notation, which NodePass's URLs and environment use: `500ms`, `30s`, `1h30m`,
/// `5m0s`.
///
/// Source of the format: Go's `time.ParseDuration` and `Duration.String`.
package enum GoDuration {
    /// The longest duration accepted: ten years.
    ///
    /// No timer of ours is longer, and sums of them cannot overflow.
    package static let limit = Duration.seconds(10 * 365 * 24 * 3600)

    /// Reads a sum of decimal numbers with units (ns, us, µs, ms, s, m, h, and ours: d); a bare `0`
    /// is zero.
    ///
    /// Nil for anything else: a missing unit, a negative value, more than ``limit``.
    package static func parse(_ text: some StringProtocol) -> Duration? {
        if text == "0" { return .zero }
        var rest = Substring(String(text))
        if rest.hasPrefix("+") { rest = rest.dropFirst() }
        guard !rest.isEmpty else { return nil }
        var total = Duration.zero
        while !rest.isEmpty {
            let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            guard number.count <= 18, let value = Double(number) else { return nil }
            rest = rest.dropFirst(number.count)
            let unit = rest.prefix { !($0.isASCII && ($0.isNumber || $0 == ".")) }
            guard let seconds = unitSeconds[String(unit)], value * seconds <= 1e9 else { return nil }
            rest = rest.dropFirst(unit.count)
            total += .nanoseconds(Int64((value * seconds * 1e9).rounded()))
        }
        return total <= limit ? total : nil
    }

    private static let unitSeconds: [String: Double] = [
        "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400,
    ]

    /// Go's own form: `0s`, `500ms`, `1.5s`, `5m0s`, `1h0m0s`.
    package static func text(_ duration: Duration) -> String {
        let nanoseconds = duration.components.seconds * 1_000_000_000 + duration.components.attoseconds / 1_000_000_000
        if nanoseconds == 0 { return "0s" }
        if nanoseconds < 1_000 { return "\(nanoseconds)ns" }
        if nanoseconds < 1_000_000 { return decimal(nanoseconds, per: 1_000) + "µs" }
        if nanoseconds < 1_000_000_000 { return decimal(nanoseconds, per: 1_000_000) + "ms" }
        let minutes = nanoseconds / 60_000_000_000
        let seconds = decimal(nanoseconds % 60_000_000_000, per: 1_000_000_000) + "s"
        if minutes == 0 { return seconds }
        return minutes < 60 ? "\(minutes)m\(seconds)" : "\(minutes / 60)h\(minutes % 60)m\(seconds)"
    }

    /// `value / unit` without a trailing zero: 1500 per 1000 is `1.5`.
    private static func decimal(_ value: Int64, per unit: Int64) -> String {
        var (fraction, scale) = (value % unit, unit)
        if fraction == 0 { return "\(value / unit)" }
        while fraction % 10 == 0 { (fraction, scale) = (fraction / 10, scale / 10) }
        return "\(value / unit).\(String(scale + fraction).dropFirst())"
    }
}
