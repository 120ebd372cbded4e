import API
import Config
import FoundationEssentials
import HTTPTypes
import Reconciler
import Testing

@Suite("The event stream", .timeLimit(.minutes(1)))
struct EventStreamTests {
    @Test("an id the store never gave out gets the initial batch", arguments: [999_999, Int64.max])
    func unknownID(_ id: Int64) async throws {
        try await TestDaemon.run { daemon in
            _ = try await daemon.create(clientURL(4202))
            let answer = try await daemon.stream("/api/v1/events?lastEventId=\(id)")
            #expect(try StreamText(answer.text).types.filter { $0 == "initial" }.count == 2)
        }
    }

    @Test("an id that is no number is refused", arguments: ["events", "reconcile/events"])
    func wrongID(_ path: String) async throws {
        try await TestDaemon.run { daemon in
            for id in ["abc", "-1", "9223372036854775808", ""] {
                let answer = try await daemon.send(.get, "/api/v1/\(path)?lastEventId=\(id)")
                #expect(answer.status == 400)
            }
        }
    }

    @Test("a log line keeps its colours as escapes and its instance")
    func log() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4203))
            try await daemon.waitFor("create", id, status: "stopped")
            let answer = try await daemon.stream {
                await daemon.reconciler.publishLog(id, "\u{1b}[33mWARN\u{1b}[0m  hello")
            }
            #expect(answer.text.contains(#""logs":"\u001b[33mWARN\u001b[0m  hello""#))
            #expect(try StreamText(answer.text).types.contains("log"))
        }
    }

    @Test("one line of a log is cut where an event would grow too large")
    func longLine() {
        let payload = EventView.payload(.log, Date(), object: .null, log: String(repeating: "x", count: 1 << 20))
        #expect(payload.utf8.count < 64 * 1024)
    }
}
