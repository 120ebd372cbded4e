import HTTPTypes
import Hummingbird
import Logging
import Synchronization
import TestSupport
import Testing

@testable import API

@Suite("Requests that fail for a fault of ours")
struct FailureLogTests {
    private struct Fault: Error {}

    @Test("they are lines of the daemon's log, with method, path, reason and count, and thinned")
    func thinned() {
        let lines = KeptLog.Lines()
        let failures = FailureLog(lines.logger)
        let head = HTTPRequest(method: .get, scheme: nil, authority: nil, path: "/api/v1/instances?x=secret")
        let request = Request(head: head, body: RequestBody(buffer: .init()))
        for _ in 0..<100 { failures.note(request, Fault()) }
        let all = lines.all.withLock { $0 }
        #expect(all.count == 7)
        #expect(
            all.first == "error API request failed count=1 method=GET path=/api/v1/instances reason=an unexpected error"
        )
        #expect(all.last?.contains("count=64") == true)
    }
}
