import Glibc

/// What a log is written to.
struct LogDestination: Sendable, Hashable {
    var isTerminal = false
    /// The inode of a socket; empty for everything else.
    var socket = ""

    /// Whether it is what systemd has connected to its journal: `$JOURNAL_STREAM` is `DEVICE:INODE`.
    ///
    /// All sockets have one device.
    func isJournal(_ stream: String?) -> Bool {
        !socket.isEmpty && stream?.split(separator: ":").last.map(String.init) == socket
    }

    /// Of the process.
    static var standardOutput: LogDestination { of(STDOUT_FILENO) }
    static var standardError: LogDestination { of(STDERR_FILENO) }

    private static func of(_ descriptor: Int32) -> LogDestination {
        var name = [CChar](repeating: 0, count: 64)
        let length = max(0, readlink("/proc/self/fd/\(descriptor)", &name, name.count))
        let target = String(decoding: name.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let isSocket = target.hasPrefix("socket:[")
        return LogDestination(
            isTerminal: isatty(descriptor) == 1,
            socket: isSocket ? target.filter(\.isNumber) : ""
        )
    }
}
