import DequeModule

/// The newest events of a log as they were rendered, without a gap up to the last one.
///
/// Readers that are a little behind share them: neither is the store read nor an event rendered
/// once more for each of them.
struct RecentEvents {
    static let limit = 1_024
    static let limitBytes = 1 << 20

    private var events: Deque<StreamEvent> = []
    private var bytes = 0

    /// Takes the events that follow those it has.
    mutating func append(_ new: [StreamEvent]) {
        for event in new where event.id != nil {
            if let last = events.last?.id, event.id != last + 1 { removeAll() }
            events.append(event)
            bytes += event.payload.utf8.count
        }
        while events.count > Self.limit || bytes > Self.limitBytes, let first = events.popFirst() {
            bytes -= first.payload.utf8.count
        }
    }

    /// Takes what a page from the store has of the time before, where it reaches up to here.
    ///
    /// `lastID` is the newest event of the log.
    mutating func prepend(_ page: [StreamEvent], lastID: Int64) {
        guard let newest = page.last?.id, newest + 1 >= events.first?.id ?? lastID + 1 else { return }
        let first = events.first?.id ?? .max
        for event in page.reversed() where event.id ?? first < first {
            guard events.count < Self.limit, bytes + event.payload.utf8.count <= Self.limitBytes else { return }
            events.prepend(event)
            bytes += event.payload.utf8.count
        }
    }

    mutating func removeAll() {
        events.removeAll()
        bytes = 0
    }

    /// The events after this id, at most `limit` of them; nil where the first of them is not here.
    func page(after id: Int64, limit: Int) -> [StreamEvent]? {
        guard let first = events.first?.id, let last = events.last?.id, (first - 1..<last).contains(id) else {
            return nil
        }
        let start = Int(id + 1 - first)
        return Array(events[start..<min(start + limit, events.count)])
    }
}
