/// One metric with its help text and samples.
struct MetricFamily: Sendable {
    struct Sample: Sendable {
        let labels: [(name: String, value: String)]
        let value: Double
    }

    private let name: String
    private let type: String
    private let help: String
    private let samples: [Sample]

    init(_ name: String, _ type: String, _ help: String, _ samples: [Sample]) {
        self.name = name
        self.type = type
        self.help = help
        self.samples = samples
    }

    static func gauge(_ name: String, _ help: String, _ value: Double) -> MetricFamily {
        MetricFamily(name, "gauge", help, [Sample(labels: [], value: value)])
    }

    static func counter(_ name: String, _ help: String, _ value: Int) -> MetricFamily {
        MetricFamily(name, "counter", help, [Sample(labels: [], value: Double(value))])
    }

    var text: String {
        let head = "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
        return samples.reduce(into: head) { text, sample in
            let labels = sample.labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
            text += name + (labels.isEmpty ? "" : "{\(labels)}") + " \(Self.number(sample.value))\n"
        }
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }

    /// Counts without a fraction, up to where a double has none.
    private static func number(_ value: Double) -> String {
        value == value.rounded() && value.magnitude < 0x1p63 ? String(Int64(value)) : String(value)
    }
}
