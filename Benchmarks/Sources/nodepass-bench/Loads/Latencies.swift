/// How long each of many operations took, in seconds.
struct Latencies: Sendable {
    private var values: [Double] = []
    private var isSorted = true

    init(reserving count: Int) {
        values.reserveCapacity(count)
    }

    var count: Int { values.count }

    mutating func add(_ seconds: Double) {
        values.append(seconds)
        isSorted = false
    }

    mutating func add(_ others: Latencies) {
        values += others.values
        isSorted = false
    }

    /// The share of all that is not above `limit` seconds.
    func share(within limit: Double) -> Double {
        Double(values.count { $0 <= limit }) / Double(max(1, values.count))
    }

    /// The value that a share `rank` of all is not above, in microseconds.
    mutating func microseconds(at rank: Double) -> Double {
        guard !values.isEmpty else { return .nan }
        if !isSorted {
            values.sort()
            isSorted = true
        }
        let index = Int((rank * Double(values.count)).rounded(.up)) - 1
        return values[min(max(index, 0), values.count - 1)] * 1e6
    }
}
