import Foundation

/// The form of `--json`: every value of every round, beside what the table shows.
struct ResultsFile: Encodable {
    struct Entry: Encodable {
        let section: Section
        let scenario: String
        let metric: Metric
        let subject: String
        let median: Double
        let min: Double
        let max: Double
        let values: [Double]
        /// The median of nodepass divided by this one.
        let nodepassRatio: Double?
    }

    let machine: Machine
    let rounds: Int
    let seconds: Double
    let results: [Entry]
    let remarks: [String]

    init(_ results: Results, machine: Machine, rounds: Int, seconds: Double) {
        self.machine = machine
        self.rounds = rounds
        self.seconds = seconds
        self.results = results.series.map { one in
            Entry(
                section: one.section,
                scenario: one.scenario,
                metric: one.metric,
                subject: one.subject,
                median: one.median,
                min: one.least,
                max: one.most,
                values: one.values,
                nodepassRatio: results.ratio(to: one)
            )
        }
        remarks = results.remarks
    }

    func data() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}
