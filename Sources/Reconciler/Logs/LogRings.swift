import DequeModule
package import Tunnel

/// How much of the tunnels' logs is kept, and for how many readers.
package struct LogLimits: Sendable, Hashable {
    /// Of one instance: an hour of a tunnel in trouble, weeks of a quiet one.
    package var lines = 500
    /// Of one line; what is longer is cut.
    package var lineBytes = 8 << 10
    /// Of all instances together, so that 5,000 chatty ones stay bounded.
    package var bytes = 32 << 20
    /// Who may follow a log at once.
    package var followers = 256
    /// Lines handed to a follower at a time.
    package var batch = 64

    package init() {}
}

/// The newest lines of each instance's log, as a value.
///
/// Every line has a number, counted per instance from 1, so that a reader that comes back knows what it has missed.
struct LogRings {
    private struct Ring {
        var lines: Deque<TunnelLogLine> = []
        var bytes = 0
        /// Number of the newest line there ever was.
        var newest = 0

        mutating func add(_ line: TunnelLogLine, limit: Int) {
            lines.append(line)
            bytes += LogRings.cost(line)
            newest += 1
            while lines.count > limit { dropOldest() }
        }

        mutating func dropOldest() {
            if let line = lines.popFirst() { bytes -= LogRings.cost(line) }
        }
    }

    /// What a line takes besides its text.
    private static let overheadBytes = 64
    /// When all lines together are over the limit, rings are cut until three quarters of it are left: not for each line.
    private static let keptQuarters = 3

    private let limits: LogLimits
    private var rings: [InstanceID: Ring] = [:]
    private(set) var bytes = 0

    init(limits: LogLimits) {
        self.limits = limits
    }

    mutating func append(_ line: TunnelLogLine) {
        let line = shortened(line)
        let before = rings[line.id]?.bytes ?? 0
        rings[line.id, default: Ring()].add(line, limit: limits.lines)
        bytes += (rings[line.id]?.bytes ?? 0) - before
        if bytes > limits.bytes { share() }
    }

    mutating func forget(_ id: InstanceID) {
        bytes -= rings.removeValue(forKey: id)?.bytes ?? 0
    }

    /// The newest lines, oldest first.
    func tail(_ id: InstanceID, _ count: Int) -> [TunnelLogLine] {
        Array(rings[id]?.lines.suffix(count) ?? [])
    }

    /// The number after which the newest `count` lines follow.
    func cursor(_ id: InstanceID, before count: Int) -> Int {
        guard let ring = rings[id] else { return 0 }
        return ring.newest - min(count, ring.lines.count)
    }

    /// Lines after a number, oldest first, and how many between are gone; nil where nothing has come since.
    func lines(_ id: InstanceID, after cursor: Int) -> LogBatch? {
        guard let ring = rings[id], ring.newest > cursor else { return nil }
        let before = ring.newest - ring.lines.count
        let lines = ring.lines.dropFirst(max(0, cursor - before)).prefix(limits.batch)
        return LogBatch(missed: max(0, before - cursor), lines: Array(lines))
    }

    /// Quiet instances keep what they have: only who has more than an equal share gives up its oldest lines.
    private mutating func share() {
        let share = limits.bytes / 4 * LogRings.keptQuarters / max(rings.count, 1)
        for id in rings.keys {
            while let ring = rings[id], ring.bytes > share { rings[id]?.dropOldest() }
        }
        bytes = rings.values.reduce(0) { $0 + $1.bytes }
    }

    private func shortened(_ line: TunnelLogLine) -> TunnelLogLine {
        guard line.message.utf8.count > limits.lineBytes else { return line }
        let scalars = line.message.unicodeScalars
        var room = limits.lineBytes
        let kept = scalars.prefix { scalar in
            room -= UTF8.width(scalar)
            return room >= 0
        }
        return TunnelLogLine(id: line.id, level: line.level, message: String(kept) + "…", time: line.time)
    }

    private static func cost(_ line: TunnelLogLine) -> Int { line.message.utf8.count + overheadBytes }
}

/// What a follower gets at a time.
package struct LogBatch: Sendable, Hashable {
    /// Lines that were dropped before the first of these could be taken.
    package let missed: Int
    /// Oldest first.
    package let lines: [TunnelLogLine]

    package init(missed: Int, lines: [TunnelLogLine]) {
        self.missed = missed
        self.lines = lines
    }
}
