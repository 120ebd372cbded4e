/// Everything measured in one run, in the order in which it is to be read.
struct Results {
    private(set) var series: [Series] = []
    /// What was left out or failed, and why.
    private(set) var remarks: [String] = []

    mutating func add(_ section: Section, _ scenario: String, _ subject: String, _ values: [(Metric, Double)]) {
        for (metric, value) in values {
            let new = Series(section: section, scenario: scenario, metric: metric, subject: subject, values: [value])
            if let index = series.firstIndex(where: { $0.isBeside(new) && $0.subject == subject }) {
                series[index].values.append(value)
            } else if let index = series.lastIndex(where: { $0.isBeside(new) }) {
                series.insert(new, at: index + 1)
            } else {
                series.append(new)
            }
        }
    }

    mutating func remark(_ text: String) {
        guard !remarks.contains(text) else { return }
        remarks.append(text)
        Console.note(text)
    }

    /// The median of nodepass divided by that of `other`, if both were measured.
    func ratio(to other: Series) -> Double? {
        guard other.subject != Subject.ours, other.metric.hasRatio, other.median > 0 else { return nil }
        let ours = series.first { $0.isBeside(other) && $0.subject == Subject.ours }
        return ours.map { $0.median / other.median }
    }
}
