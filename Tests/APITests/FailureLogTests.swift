import HTTPTypes
import Hummingbird
import Logging
import Synchronization
import Testing

@testable import API

@Suite("Requests that fail for a fault of ours")
struct FailureLogTests {
    /// Keeps lines with their metadata.
    private struct KeptLog: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        final class Lines: Sendable {
            let all = Mutex<[String]>([])
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let fields = (event.metadata ?? [:]).map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " ")
            lines.all.withLock { $0.append("\(event.level) \(event.message) \(fields)") }
        }
    }

    private struct Fault: Error {}

    @Test("they are lines of the daemon's log, with method, path, reason and count, and thinned")
    func thinned() {
        let lines = KeptLog.Lines()
        let failures = FailureLog(Logger(label: "test") { _ in KeptLog(lines: lines) })
        let head = HTTPRequest(method: .get, scheme: nil, authority: nil, path: "/api/v1/instances?x=secret")
        let request = Request(head: head, body: RequestBody(buffer: .init()))
        for _ in 0..<100 { failures.note(request, Fault()) }
        let all = lines.all.withLock { $0 }
        #expect(all.count == 7)
        #expect(all.first == "error API request failed count=1 method=GET path=/api/v1/instances reason=Fault()")
        #expect(all.last?.contains("count=64") == true)
    }
}
