package import Config
package import FoundationEssentials
import Synchronization

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
    private let rule: Mutex<Rule>

    private struct Rule {
        let level: LogLevel
        let secretTexts: SecretTexts

        init(_ spec: TunnelSpec) {
            level = spec.log
            secretTexts = spec.secretTexts
        }
    }

    init(id: InstanceID, spec: TunnelSpec, sink: AsyncStream<TunnelLogLine>.Continuation) {
        self.id = id
        self.sink = sink
        rule = Mutex(Rule(spec))
    }

    var level: LogLevel { rule.withLock { $0.level } }

    /// Takes the level, and what must not be shown, from this spec.
    func follow(_ spec: TunnelSpec) {
        rule.withLock { $0 = Rule(spec) }
    }

    /// Removes control characters: what a peer sent may be part of the text, and must not begin a
    /// line of its own or control a terminal.
    private static func oneLine(_ message: String) -> String {
        guard message.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else { return message }
        return String(
            String.UnicodeScalarView(message.unicodeScalars.filter { $0.properties.generalCategory != .control })
        )
    }

    /// Writes a line; its text is built only when the level shows it, and must not hold a key.
    func write(_ level: LogLevel, _ message: @autoclosure () -> String) {
        let rule = rule.withLock { $0 }
        guard rule.level.shows(level) else { return }
        let text = rule.secretTexts.masked(in: Self.oneLine(message()))
        sink.yield(TunnelLogLine(id: id, level: level, message: text, time: Date()))
    }
}

extension LogLevel {
    /// Whether a log at this level shows a line of `other`: itself and everything graver; `none`
    /// shows nothing.
    package func shows(_ other: LogLevel) -> Bool {
        guard self != .none, let own = LogLevel.allCases.firstIndex(of: self),
            let line = LogLevel.allCases.firstIndex(of: other)
        else { return false }
        return line >= own
    }
}
