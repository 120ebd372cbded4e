package import Config
import Synchronization

#if canImport(FoundationEssentials)
package import FoundationEssentials
#else
package import Foundation
#endif

/// One line of a tunnel's own log, as NodePass's masters stream it to their clients.
package struct TunnelLogLine: Sendable, Hashable {
    package let id: InstanceID
    package let level: LogLevel
    package let message: String
    package let time: Date

    package init(id: InstanceID, level: LogLevel, message: String, time: Date) {
        self.id = id
        self.level = level
        self.message = message
        self.time = time
    }
}

/// Where one tunnel's lines go: those its level lets through, into the engine's bounded stream.
final class TunnelLog: Sendable {
    private let id: InstanceID
    private let sink: AsyncStream<TunnelLogLine>.Continuation
    private let threshold: Mutex<LogLevel>

    init(id: InstanceID, level: LogLevel, sink: AsyncStream<TunnelLogLine>.Continuation) {
        self.id = id
        self.sink = sink
        threshold = Mutex(level)
    }

    var level: LogLevel {
        get { threshold.withLock { $0 } }
        set { threshold.withLock { $0 = newValue } }
    }

    /// What a peer sent may be part of it: nothing in it begins a line of its own or steers a terminal.
    private static func oneLine(_ message: String) -> String {
        guard message.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else { return message }
        return String(
            String.UnicodeScalarView(message.unicodeScalars.filter { $0.properties.generalCategory != .control })
        )
    }

    /// Writes a line, whose text is only built when somebody will see it, and which must not hold a key.
    func write(_ level: LogLevel, _ message: @autoclosure () -> String) {
        guard self.level.shows(level) else { return }
        sink.yield(TunnelLogLine(id: id, level: level, message: Self.oneLine(message()), time: Date()))
    }
}

extension LogLevel {
    /// Whether a log at this level shows a line of `other`: itself and everything graver; `none` shows nothing.
    package func shows(_ other: LogLevel) -> Bool {
        guard self != .none, let own = LogLevel.allCases.firstIndex(of: self),
            let line = LogLevel.allCases.firstIndex(of: other)
        else { return false }
        return line >= own
    }
}
