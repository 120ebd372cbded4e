/// Accepts each link number of a session once, in any order within a window, so that a recorded
/// proof is worth nothing.
struct LinkProofWindow: Sendable {
    private var seen = Set<UInt64>()
    private var highest: UInt64 = 0
    static let width: UInt64 = 8192

    /// False for a number that was used, or is too old to know.
    mutating func admit(_ number: UInt64) -> Bool {
        guard isRecent(number), seen.insert(number).inserted else { return false }
        if number > highest {
            highest = number
            if seen.count > Int(Self.width) * 2 { seen = seen.filter(isRecent) }
        }
        return true
    }

    private func isRecent(_ number: UInt64) -> Bool {
        number > highest || highest - number < Self.width
    }
}
