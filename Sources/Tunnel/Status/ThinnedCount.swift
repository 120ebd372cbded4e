package import NIOCore

/// Counts what may happen any number of times, and decides which of it is worth a line: the first, each doubling, and
/// one a minute while it goes on.
///
/// After a quiet minute it begins anew: what comes then is news.
package struct ThinnedCount: Sendable, Hashable {
    static let interval = TimeAmount.minutes(1)

    private var count = 0
    private var last = NIODeadline.distantPast
    private var lastShown = NIODeadline.distantPast

    package init() {}

    /// Counts one more; the number so far when it is worth a line, else nil.
    package mutating func next(now: NIODeadline = .now()) -> Int? {
        if count > 0, now - last >= Self.interval { count = 0 }
        count += 1
        last = now
        let isDoubled = count & (count - 1) == 0
        guard isDoubled || now - lastShown >= Self.interval else { return nil }
        lastShown = now
        return count
    }

    /// What a line says after its text: nothing for the first.
    package static func suffix(_ count: Int) -> String { count > 1 ? " (\(count) so far)" : "" }
}

/// Lets a number of lines through each second, and counts the others.
struct LineAllowance: Sendable, Hashable {
    private let limit: Int
    private var windowEnds = NIODeadline.distantPast
    private var used = 0
    private var left = 0

    init(perSecond limit: Int) {
        self.limit = limit
    }

    /// How many were left out before this one; nil when this one is left out, too.
    mutating func next(now: NIODeadline = .now()) -> Int? {
        if now >= windowEnds {
            windowEnds = now + .seconds(1)
            used = 0
        }
        guard used < limit else {
            left += 1
            return nil
        }
        used += 1
        defer { left = 0 }
        return left
    }
}
