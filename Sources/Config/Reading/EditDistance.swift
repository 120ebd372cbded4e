/// Finds the word that was probably meant.
package enum EditDistance {
    /// The closest candidate, if it is close enough for a typing error.
    package static func nearest(to word: String, among candidates: [String]) -> String? {
        let letters = Array(word.lowercased().prefix(64))
        let scored = candidates.map { (name: $0, distance: between(letters, Array($0.lowercased()))) }
        guard let best = scored.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= max(1, best.name.count / 3) ? best.name : nil
    }

    /// Insertions, deletions, replacements and swaps of adjacent letters that turn one word into the
    /// other.
    static func between(_ a: [Character], _ b: [Character]) -> Int {
        var twoBack: [Int] = []
        var previous = Array(0...b.count)
        for i in a.indices {
            var current = [i + 1]
            for j in b.indices {
                let replaced = previous[j] + (a[i] == b[j] ? 0 : 1)
                var best = min(replaced, previous[j + 1] + 1, current[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, twoBack[j - 1] + 1) }
                current.append(best)
            }
            twoBack = previous
            previous = current
        }
        return previous[b.count]
    }
}
