import Glibc

/// How far long work has come: a line on a terminal that the next output replaces; nothing elsewhere.
struct Progress {
    private let total: Int
    private let isShown: Bool
    private var done = 0
    private var isOnScreen = false

    /// Fewer are done before anyone could read it.
    private static let least = 20

    init(total: Int) {
        self.total = total
        isShown = total >= Self.least && isatty(STDERR_FILENO) == 1
    }

    mutating func advance() {
        done += 1
        guard isShown else { return }
        Output.prompt("\r\u{1b}[K\(Self.bar(done, of: total)) \(done) of \(total)")
        isOnScreen = true
    }

    mutating func clear() {
        guard isOnScreen else { return }
        Output.prompt("\r\u{1b}[K")
        isOnScreen = false
    }

    static func bar(_ done: Int, of total: Int) -> String {
        let width = 20
        let filled = total == 0 ? width : min(width, done * width / total)
        return "[" + String(repeating: "#", count: filled) + String(repeating: "-", count: width - filled) + "]"
    }
}
