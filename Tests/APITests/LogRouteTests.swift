import API
import Config
import FoundationEssentials
import HTTPTypes
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("A tunnel's log", .timeLimit(.minutes(1)))
struct LogRouteTests {
    private static let start = Date(timeIntervalSince1970: 1_795_000_000.25)

    private static func write(_ daemon: TestDaemon, _ id: String, _ messages: ClosedRange<Int>) async {
        for number in messages {
            let line = TunnelLogLine(id: id, level: .warn, message: "line \(number)", time: start)
            await daemon.reconciler.publishLog(line, as: "coloured")
        }
    }

    /// Follows the log, lets `act` happen meanwhile, ends it, and returns all of its text.
    private static func follow(
        _ daemon: TestDaemon,
        _ path: String,
        act: @Sendable () async throws -> Void
    ) async throws -> Answer {
        async let answer = daemon.send(.get, path)
        while daemon.reconciler.logs.followerCount == 0 { await Task.yield() }
        try await act()
        return try await answer
    }

    @Test("gives the newest lines, newest last, as plain text with level and time")
    func tail() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4300))
            await Self.write(daemon, id, 1...250)
            let answer = try await daemon.send(.get, "/api/v1/instances/\(id)/logs?tail=2")
            #expect(answer.status == 200)
            #expect(answer.headers[.contentType] == "application/json")
            let lines = [249, 250].map {
                #"{"time":"2026-11-18T11:06:40.25Z","level":"warn","message":"line \#($0)"}"#
            }
            #expect(answer.text == #"{"id":"\#(id)","lines":[\#(lines.joined(separator: ","))]}"# + "\n")
            let usual = try await daemon.send(.get, "/api/v1/instances/\(id)/logs").json["lines"]
            #expect(usual?.items.count == 200)
            #expect(usual?.items.last?["message"]?.stringValue == "line 250")
        }
    }

    @Test("a tail out of its range is refused", arguments: ["0", "501", "-1", "many", ""])
    func range(tail: String) async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4301))
            let answer = try await daemon.send(.get, "/api/v1/instances/\(id)/logs?tail=\(tail)")
            #expect(answer.status == 400)
            #expect(try answer.json["error"]?.stringValue == "tail takes a number from 1 to 500")
        }
    }

    @Test("neither a stranger nor the key's row has a log", arguments: ["00000000", "********"])
    func nobody(id: String) async throws {
        try await TestDaemon.run { daemon in
            for query in ["", "?follow=1"] {
                let answer = try await daemon.send(.get, "/api/v1/instances/\(id)/logs\(query)")
                #expect(answer.status == 404)
                #expect(try answer.json["error"]?.stringValue == "Instance not found")
            }
            #expect(daemon.reconciler.logs.followerCount == 0)
            #expect(try await daemon.sendPlain(.get, "/api/v1/instances/\(id)/logs").status == 401)
        }
    }

    @Test("following gives the tail, then every line that comes, as log events")
    func follow() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4302))
            await Self.write(daemon, id, 1...5)
            let answer = try await Self.follow(daemon, "/api/v1/instances/\(id)/logs?tail=2&follow=1") {
                await Self.write(daemon, id, 6...7)
                daemon.reconciler.logs.endFollowing()
            }
            #expect(answer.headers[.contentType] == "text/event-stream")
            #expect(answer.headers[.cacheControl] == "no-cache")
            #expect(
                answer.text.hasPrefix(": ping\n\nevent: log\ndata: {\"time\":\"2026-11-18T11:06:40.25Z\",\"level\"")
            )
            #expect(try Self.messages(answer.text) == (4...7).map { "line \($0)" })
        }
    }

    @Test("following ends with the instance, and with the API key it came with")
    func ends() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4303))
            let path = "/api/v1/instances/\(id)/logs?follow=true"
            let rotated = try await Self.follow(daemon, path) {
                let answer = try await daemon.send(.patch, "/api/v1/instances/********", #"{"action":"restart"}"#)
                #expect(answer.status == 200)
            }
            #expect(rotated.text == ": ping\n\n")
            let deleted = try await Self.follow(daemon, path) {
                let answer = try await daemon.send(.delete, "/api/v1/instances/\(id)")
                #expect(answer.status == 204)
            }
            #expect(deleted.text == ": ping\n\n")
        }
    }

    @Test("what a slow reader has missed is a line of its own")
    func gap() throws {
        let line = TunnelLogLine(id: "a", level: .info, message: "newest", time: Self.start)
        let text = LogView.blocks(LogBatch(missed: 17, lines: [line]))
        #expect(try Self.messages(text).first?.hasPrefix("17 lines are missing here") == true)
        #expect(try Self.messages(text).last == "newest")
    }

    private static func messages(_ text: String) throws -> [String] {
        var parser = ServerSentEventParser()
        return try parser.take(text.utf8).map { event in
            #expect(event.name == "log")
            return try JSONParser.parse(Array(event.data.utf8))["message"]?.stringValue ?? ""
        }
    }
}
