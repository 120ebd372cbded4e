package import Config
package import FoundationEssentials
import NIOCore
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
    private let pace = Mutex(Pace())

    private struct Rule {
        let level: LogLevel
        let secretTexts: SecretTexts
        let exchangeLevel: LogLevel

        init(_ spec: TunnelSpec) {
            level = spec.log
            secretTexts = spec.secretTexts
            exchangeLevel = spec.exchangeLines.areInfo ? .info : .debug
        }
    }

    private struct Pace {
        var counts: [LogSubject: ThinnedCount] = [:]
        var exchanges = LineAllowance(perSecond: TunnelLimits.exchangeLines)
    }

    init(id: InstanceID, spec: TunnelSpec, sink: AsyncStream<TunnelLogLine>.Continuation) {
        self.id = id
        self.sink = sink
        rule = Mutex(Rule(spec))
    }

    /// What must not be shown.
    var secretTexts: SecretTexts { rule.withLock { $0.secretTexts } }

    var level: LogLevel { rule.withLock { $0.level } }

    /// Takes the level, and what must not be shown, from this spec.
    ///
    /// Somebody has started or changed the tunnel: what comes now is news, however often it was said before.
    func follow(_ spec: TunnelSpec) {
        rule.withLock { $0 = Rule(spec) }
        pace.withLock { $0.counts = [:] }
    }

    /// Writes a line; its text is built only when the level shows it, and must not hold a key.
    func write(_ level: LogLevel, _ message: @autoclosure () -> String) {
        let rule = rule.withLock { $0 }
        guard rule.level.shows(level) else { return }
        // What a peer sent may be part of the text.
        let text = rule.secretTexts.masked(in: PlainText.line(message()))
        sink.yield(TunnelLogLine(id: id, level: level, message: text, time: Date()))
    }

    /// Writes a line about what may happen any number of times: thinned, with a count, at every level but `debug`.
    func write(_ level: LogLevel, _ subject: LogSubject, _ message: @autoclosure () -> String) {
        let own = self.level
        guard own.shows(level) else { return }
        guard let count = pace.withLock({ $0.counts[subject, default: ThinnedCount()].next() }) else {
            if own == .debug { write(level, message()) }
            return
        }
        write(level, message() + ThinnedCount.suffix(count))
    }

    /// Writes that an exchange begins; what writes its end, or nil where the log does not show it.
    ///
    /// `info` for tunnels of the API, whose clients show it, and a few a second then; `debug` for others.
    func beginExchange(_ names: () -> String) -> (@Sendable () -> Void)? {
        let rule = rule.withLock { $0 }
        guard rule.level.shows(rule.exchangeLevel) else { return nil }
        var hidden = 0
        if rule.level != .debug {
            guard let before = pace.withLock({ $0.exchanges.next() }) else { return nil }
            hidden = before
        }
        let names = names()
        write(rule.exchangeLevel, "Starting exchange: \(names)" + (hidden > 0 ? " (\(hidden) more not shown)" : ""))
        return { [self] in write(rule.exchangeLevel, "Exchange complete: \(names)") }
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
