/// Questions whether the peer still answers, until it does or has not for too long.
struct PeerProbes {
    typealias Answer = (Bool) -> Void

    private var waiting: [Int: Answer] = [:]
    private var asked = 0

    /// One more question; its number is for `expire`.
    mutating func add(_ answer: @escaping Answer) -> Int {
        asked += 1
        waiting[asked] = answer
        return asked
    }

    /// The question's time is over; nil when it has been answered.
    mutating func expire(_ number: Int) -> Answer? {
        waiting.removeValue(forKey: number)
    }

    /// All that wait, to be answered.
    mutating func takeAll() -> [Answer] {
        defer { waiting = [:] }
        return Array(waiting.values)
    }
}
