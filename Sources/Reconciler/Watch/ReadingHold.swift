import Config

/// Decides whether a reading waits: one that has lost tunnels while one of its files is still being
/// written may be half of what is to come.
struct ReadingHold: Sendable {
    /// Polls that such a reading waits at most, 30 s: a file may stay open without end.
    static let pollLimit = 15

    private(set) var lostNames: Set<String> = []
    private var delivered: Set<String>?
    /// The poll at which the wait began.
    private var since: Int?

    /// `delivered` are the names of a reading that has been delivered already.
    init(delivered: Set<String>?) {
        self.delivered = delivered
    }

    var isHolding: Bool { since != nil }

    /// Whether it has lost any, so that it matters whether a file is being written.
    func losesTunnels(_ reading: ManifestReading) -> Bool {
        guard reading.manifest != nil, let delivered else { return false }
        return !delivered.isSubset(of: reading.names)
    }

    /// True for a reading that may be delivered at this poll.
    mutating func admits(_ reading: ManifestReading, isBeingWritten: Bool, poll: Int) -> Bool {
        guard losesTunnels(reading), isBeingWritten else {
            since = nil
            return true
        }
        lostNames = (delivered ?? []).subtracting(reading.names)
        let start = since ?? poll
        since = start
        guard poll - start >= Self.pollLimit else { return false }
        since = nil
        return true
    }

    mutating func delivered(_ reading: ManifestReading) {
        since = nil
        if reading.manifest != nil { delivered = reading.names }
    }
}
