/// The values of one metric of one subject in one scenario, a value a round.
struct Series: Codable {
    let section: Section
    let scenario: String
    let metric: Metric
    let subject: String
    var values: [Double]

    var median: Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return .nan }
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    var least: Double { values.min() ?? .nan }
    var most: Double { values.max() ?? .nan }

    func isBeside(_ other: Series) -> Bool {
        section == other.section && scenario == other.scenario && metric == other.metric
    }
}
