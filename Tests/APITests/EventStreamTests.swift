import API
import Config
import HTTPTypes
import Reconciler
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

@Suite("The event stream", .timeLimit(.minutes(1)))
struct EventStreamTests {
    /// Opens a stream, lets `act` happen under it, ends it, and returns all of its text.
    private func stream(
        _ daemon: TestDaemon,
        path: String = "/api/v1/events",
        act: @Sendable () async throws -> Void = {}
    ) async throws -> Answer {
        let before = daemon.hub.subscriberCount
        async let answer = daemon.send(.get, path)
        while daemon.hub.subscriberCount == before { await Task.yield() }
        try await act()
        daemon.hub.shutdown(payload: EventView.payload(.shutdown, Date(), nil, ""))
        return try await answer
    }

    private func types(_ text: String) throws -> [String] {
        try blocks(text).compactMap { block in
            guard let data = block.split(separator: "\n").first(where: { $0.hasPrefix("data: ") }) else { return nil }
            return try JSONParser.parse(Array(data.dropFirst(6).utf8))["type"]?.stringValue
        }
    }

    private func blocks(_ text: String) -> [String] {
        text.components(separatedBy: "\n\n").filter { !$0.isEmpty }
    }

    @Test("begins with retry and one initial event per row, and ends with shutdown")
    func opening() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4200), alias: "seen")
            try await daemon.waitFor("update", id, status: "running")
            let answer = try await stream(daemon)
            #expect(answer.status == 200)
            #expect(answer.headers[.contentType] == "text/event-stream")
            #expect(answer.headers[.cacheControl] == "no-cache")
            #expect(answer.headers[.accessControlAllowOrigin] == "*")
            #expect(answer.text.hasPrefix("retry: 3000\n\nevent: instance\ndata: {\"type\":\"initial\",\"time\":\"20"))
            #expect(try types(answer.text) == ["initial", "initial", "shutdown"])
            #expect(answer.text.hasSuffix("\"instance\":null,\"logs\":\"\"}\n\n"))
            #expect(!answer.text.contains("\r"))
        }
    }

    @Test("an id the store never gave out gets the initial batch", arguments: [999_999, Int64.max])
    func unknownID(_ id: Int64) async throws {
        try await TestDaemon.run { daemon in
            _ = try await daemon.create(clientURL(4202))
            let answer = try await stream(daemon, path: "/api/v1/events?lastEventId=\(id)")
            #expect(try types(answer.text).filter { $0 == "initial" }.count == 2)
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
            let answer = try await stream(daemon) {
                await daemon.reconciler.publishLog(id, "\u{1b}[33mWARN\u{1b}[0m  hello")
            }
            #expect(answer.text.contains(#""logs":"\u001b[33mWARN\u001b[0m  hello""#))
            #expect(try types(answer.text).contains("log"))
        }
    }

    @Test("one line of a log is cut where an event would grow too large")
    func longLine() {
        let payload = EventView.payload(.log, Date(), nil, String(repeating: "x", count: 1 << 20))
        #expect(payload.utf8.count < 64 * 1024)
    }
}
