import Config
package import Reconciler
package import Tunnel

/// A tunnel's newest log lines.
package struct LogView: WireView {
    package struct Source: Sendable {
        let id: String
        let lines: [TunnelLogLine]
    }

    package static let name = "Log"
    package static let summary = "A tunnel's newest log lines"
    package static let table = WireTable(LogView())

    package let id = Field("id", .id) { $0.id }
    package let lines = Field("lines", .list(.object(Line.self), "Newest last")) { $0.lines }

    package init() {}

    package struct Line: WireView {
        package typealias Source = TunnelLogLine

        package static let name = "LogLine"
        package static let summary = "One line of a tunnel's log"
        package static let table = WireTable(Line())

        package let time = Field("time", .time("Time of the line")) { $0.time }
        package let level = Field("level", .words(LogLevel.allCases.map(\.rawValue), "Its severity")) {
            $0.level.rawValue
        }
        package let message = Field("message", .text("Without colors")) { $0.message }

        package init() {}
    }
}

extension LogView {
    /// One `log` event a line; what a slow reader has missed is a line of its own.
    package static func blocks(_ batch: LogBatch) -> String {
        (gap(before: batch) + batch.lines)
            .map { "event: log\ndata: \(Line.object($0).compactText)\n\n" }.joined()
    }

    private static func gap(before batch: LogBatch) -> [TunnelLogLine] {
        guard batch.missed > 0, let first = batch.lines.first else { return [] }
        let message = "\(batch.missed) lines are missing here: they came faster than this reader took them"
        return [TunnelLogLine(id: first.id, level: .warn, message: message, time: first.time)]
    }
}
