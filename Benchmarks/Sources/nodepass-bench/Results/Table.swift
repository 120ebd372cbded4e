import Foundation

/// Results as text: a line for each subject, with nodepass's ratio to it.
struct Table {
    private static let widths = (scenario: 34, metric: 20, subject: 11, number: 11, range: 23)

    let results: Results
    let machine: Machine

    var text: String {
        var lines = [machine.title]
        for section in Section.allCases {
            let series = results.series.filter { $0.section == section }
            guard !series.isEmpty else { continue }
            lines += ["", "== \(section.rawValue)", Self.header]
            lines += self.lines(series)
        }
        if !results.remarks.isEmpty { lines += [""] + results.remarks.map { "note: " + $0 } }
        return lines.joined(separator: "\n")
    }

    private static var header: String {
        pad("scenario", widths.scenario) + pad("metric", widths.metric) + pad("subject", widths.subject)
            + pad("median", widths.number, isRight: true) + pad("min..max", widths.range, isRight: true)
            + "   nodepass/this"
    }

    private func lines(_ series: [Series]) -> [String] {
        var previous: Series?
        return series.map { one in
            defer { previous = one }
            let isSameScenario = previous?.scenario == one.scenario
            let isSameMetric = isSameScenario && previous?.metric == one.metric
            let range = "\(Self.number(one.least))..\(Self.number(one.most))"
            let ratio = results.ratio(to: one).map { "   " + Self.ratio($0) + Self.judgement($0, one) }
            return Self.pad(isSameScenario ? "" : one.scenario, Self.widths.scenario)
                + Self.pad(isSameMetric ? "" : one.metric.rawValue, Self.widths.metric)
                + Self.pad(one.subject, Self.widths.subject)
                + Self.pad(Self.number(one.median), Self.widths.number, isRight: true)
                + Self.pad(range, Self.widths.range, isRight: true)
                + (ratio ?? "")
        }
    }

    /// Says which way a ratio points, as half of the metrics are better when less.
    private static func judgement(_ ratio: Double, _ other: Series) -> String {
        // No tunnel can be better than none.
        if other.subject == Subject.direct.name { return "" }
        if (0.97...1.03).contains(ratio) { return "  same" }
        return (ratio > 1) == other.metric.isBetterWhenMore ? "  better" : "  worse"
    }

    /// Two digits behind the point, where that leaves two that count.
    private static func ratio(_ value: Double) -> String {
        String(format: value < 0.1 ? "%.4f" : "%.2f", value)
    }

    static func number(_ value: Double) -> String {
        switch abs(value) {
        case 0: "0"
        case 100...: String(format: "%.0f", value)
        case 10...: String(format: "%.1f", value)
        case 1...: String(format: "%.2f", value)
        default: String(format: "%.3f", value)
        }
    }

    private static func pad(_ text: String, _ width: Int, isRight: Bool = false) -> String {
        let blanks = String(repeating: " ", count: max(1, width - text.count))
        return isRight ? blanks + text : text + blanks
    }
}
