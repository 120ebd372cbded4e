/// Rates as people write them, in decimal units of bits per second.
enum BitRate {
    static func parse(_ text: String) throws(ValueProblem) -> Int {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(digits.count).trimmingBlanks.lowercased()
        let factors = ["": 1.0, "mbps": 1, "gbps": 1000, "kbps": 0.001]
        guard let number = Double(digits), let factor = factors[unit] else {
            throw ValueProblem("'\(text)' is not a rate; write 100Mbps, 1Gbps, or a number of Mbps")
        }
        let value = number * factor
        guard (value - value.rounded()).magnitude < 1e-9 else {
            throw ValueProblem("'\(text)' is not a whole number of Mbps, the smallest step")
        }
        guard value <= Double(TunnelSpec.rateLimitMbps) else {
            throw ValueProblem("'\(text)' is above the highest rate, \(BitRate.text(TunnelSpec.rateLimitMbps))")
        }
        return Int(value.rounded())
    }

    /// What `parse` reads, as a regular expression: whole Mbps in each unit.
    static let pattern =
        #"^([0-9]+(\.0+)?( ?[Mm]bps)?|[0-9]+(\.[0-9]{1,3}0*)? ?[Gg]bps|(0|[0-9]+000)(\.0+)? ?[Kk]bps)$"#

    static func text(_ mbps: Int) -> String {
        mbps % 1000 == 0 ? "\(mbps / 1000)Gbps" : "\(mbps)Mbps"
    }
}
