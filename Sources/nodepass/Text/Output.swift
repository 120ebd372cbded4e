import Glibc

/// Writes text to standard output and standard error, unbuffered: a piped log must not wait for a
/// full buffer.
enum Output {
    /// False when the reader has closed the pipe; a command that follows a stream then ends.
    @discardableResult
    static func line(_ text: String) -> Bool { write(text + "\n", to: STDOUT_FILENO) }

    /// Text on standard error that keeps its line open.
    static func prompt(_ text: String) { write(text, to: STDERR_FILENO) }

    static func error(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

    /// Whether standard output is a terminal that has colors, and `NO_COLOR` is not set to anything.
    static var isColored: Bool {
        guard isatty(STDOUT_FILENO) == 1, getenv("TERM").map({ String(cString: $0) }) != "dumb" else { return false }
        return getenv("NO_COLOR").map { $0.pointee == 0 } ?? true
    }

    /// Of the terminal that standard output is; nil where it is none.
    static var terminalSize: (columns: Int, rows: Int)? {
        var size = winsize()
        guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return nil
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Text that already has its line feed.
    static func raw(_ text: String) { write(text, to: STDOUT_FILENO) }

    @discardableResult
    private static func write(_ text: String, to descriptor: Int32) -> Bool {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { send($0, to: descriptor) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    private static func send(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int {
        Glibc.write(descriptor, bytes.baseAddress, bytes.count)
    }
}
