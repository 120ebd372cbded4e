import Synchronization

/// Counts wrong keys per address, so that guessing is slow; a right key is never held back.
package final class BadKeyCounter: Sendable {
    /// Wrong keys an address may show within ``window``.
    package static let allowed = 10
    package static let window = Duration.seconds(60)
    /// Addresses remembered at once; the one seen longest ago makes room.
    package static let addressLimit = 1024

    private struct Entry {
        var count: Int
        var since: ContinuousClock.Instant
    }

    private let entries = Mutex<[String: Entry]>([:])

    package init() {}

    /// How long the address should wait, or nil while it may still try.
    package func record(_ address: String, at now: ContinuousClock.Instant) -> Duration? {
        entries.withLock { entries in
            var entry = entries[address] ?? Entry(count: 0, since: now)
            if entry.since.duration(to: now) >= Self.window { entry = Entry(count: 0, since: now) }
            entry.count += 1
            if entries[address] == nil, entries.count >= Self.addressLimit { Self.forgetOldest(&entries) }
            entries[address] = entry
            return entry.count > Self.allowed ? Self.window - entry.since.duration(to: now) : nil
        }
    }

    private static func forgetOldest(_ entries: inout [String: Entry]) {
        guard let oldest = entries.min(by: { $0.value.since < $1.value.since }) else { return }
        entries[oldest.key] = nil
    }
}
