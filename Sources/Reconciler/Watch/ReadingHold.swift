import Config

/// Decides whether a reading waits: one that has lost tunnels while one of its files may still be
/// written may be half of what is to come.
struct ReadingHold: Sendable {
    /// Polls that such a reading waits at most, 30 s: a file may stay open without end.
    static let pollLimit = 15
    /// Polls without a change, 10 s, after which a file whose writer cannot be seen is whole.
    static let restPolls = 5

    /// What is known of the files beside their content.
    struct Evidence: Sendable {
        var writers: FileWriters
        /// The files as they were just before the reading.
        var files: [String: FileState] = [:]
        /// Files as they were when a writer closed them or a rename brought them.
        var settled: [String: FileState] = [:]
    }

    private(set) var lostNames: Set<String> = []
    private var delivered: Set<String>?
    /// The files of the last delivered reading; nil while they are not known.
    private var deliveredFiles: [String: FileState]?
    /// The poll at which the wait began.
    private var since: Int?
    /// The files with unseen writers, and the poll since which they have been as they are.
    private var resting: (files: [String: FileState], since: Int)?

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
    mutating func admits(_ reading: ManifestReading, _ evidence: Evidence, poll: Int) -> Bool {
        guard losesTunnels(reading), mayBeWritten(evidence, poll: poll) else {
            end()
            return true
        }
        lostNames = (delivered ?? []).subtracting(reading.names)
        let start = since ?? poll
        since = start
        guard poll - start >= Self.pollLimit else { return false }
        end()
        return true
    }

    /// `files` are those of the reading, as they were before it.
    mutating func delivered(_ reading: ManifestReading, files: [String: FileState]) {
        end()
        guard reading.manifest != nil else { return }
        delivered = reading.names
        deliveredFiles = files
    }

    private mutating func end() {
        since = nil
        resting = nil
    }

    private mutating func mayBeWritten(_ evidence: Evidence, poll: Int) -> Bool {
        switch evidence.writers {
        case .closed: return false
        case .open: return true
        case .unseen(let paths):
            let doubtful = evidence.files.filter { paths.contains($0.key) && isDoubtful($0.key, $0.value, evidence) }
            guard !doubtful.isEmpty else { return false }
            if resting?.files != doubtful { resting = (doubtful, poll) }
            return poll - (resting?.since ?? poll) < Self.restPolls
        }
    }

    /// True for a file that has changed, without a sign that it is whole: nobody closed it, and it is no other file.
    private func isDoubtful(_ path: String, _ file: FileState, _ evidence: Evidence) -> Bool {
        if evidence.settled[path] == file { return false }
        guard let former = deliveredFiles?[path] else { return true }
        return former.isSameFile(as: file) && former != file
    }
}
