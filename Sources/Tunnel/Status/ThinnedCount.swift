/// Counts events that a stranger may cause in any number, and says which to log: the first, and
/// then each doubling.
struct ThinnedCount {
    private var count = 0

    /// Counts one more; the number so far when it is worth a line, else nil.
    mutating func next() -> Int? {
        count += 1
        return count & (count - 1) == 0 ? count : nil
    }
}
