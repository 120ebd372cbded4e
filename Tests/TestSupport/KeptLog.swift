package import Logging
package import Synchronization

/// Keeps lines with their metadata.
package struct KeptLog: LogHandler {
    let lines: Lines
    package var metadata: Logger.Metadata = [:]
    package var logLevel = Logger.Level.info

    package final class Lines: Sendable {
        package let all = Mutex<[String]>([])

        package init() {}

        /// A logger that writes them.
        package var logger: Logger { Logger(label: "test") { _ in KeptLog(lines: self) } }
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let fields = (event.metadata ?? [:]).map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " ")
        lines.all.withLock { $0.append("\(event.level) \(event.message) \(fields)") }
    }
}
