import API
import Config
import FoundationEssentials
import HTTPTypes
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("What NodePass's clients rely on: events", .timeLimit(.minutes(1)))
struct NodePassClientStreamTests {
    @Test("a stream begins at once: text/event-stream exactly, retry: 3000 first, one initial per row, LF alone")
    func streamStart() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.createRunning(clientURL(4700), alias: "seen")
            try await daemon.served { client in
                var stream = try await client.follow()
                let second = #""id":"\#(id)","alias":"seen""#
                _ = try await stream.read(until: second)
                let answer = try await stream.read(until: #""logs":""}"# + "\n\n")
                #expect(answer.lines.first == "HTTP/1.1 200 OK")
                #expect(answer.field("Content-Type") == "text/event-stream")
                #expect(answer.field("Cache-Control") == "no-cache")
                let start = "retry: 3000\n\nevent: instance\ndata: {\"type\":\"initial\",\"time\":\"20"
                #expect(answer.body.hasPrefix(start))
                #expect(answer.body.contains(#"Z","instance":{"id":"********","#))
                #expect(answer.body.contains(second))
                #expect(!answer.body.contains("\r"))
                #expect(try StreamText(answer.body).types == ["initial", "initial"])
                try await stream.close()
            }
        }
    }

    @Test(
        "the v1 stream has no event name but instance; the reconciler's events have a path of their own"
    )
    func eventNames() async throws {
        let manifest =
            "version: 1\ntunnels:\n  web: {role: client, mode: single, tunnel: 127.0.0.1:4710, target: 127.0.0.1:9}\n"
        try await TestDaemon.run(manifest: manifest) { daemon in
            let web = try await daemon.declared("web")
            let notices = try daemon.reconciler.notices.subscribe()
            let text = try await daemon.stream {
                let reader = ManifestReader(environment: [:], workingDirectory: "/")
                await daemon.reconciler.declare(reader.read(text: "tunnels: [", file: "tunnels.yaml"))
                _ = try await daemon.patch(web, #"{"action":"stop"}"#)
                try await daemon.waitFor("update", web, status: "stopped")
                _ = try await daemon.send(.delete, "/api/v1/instances/\(web)/override")
                try await daemon.waitFor("update", web, status: "running")
                daemon.host.show(web, .failed, .noPermission)
                try await daemon.waitFor("update", web, status: "error")
                let edited = manifest.replacing("4710", with: "4711")
                await daemon.reconciler.declare(reader.read(text: edited, file: "tunnels.yaml"))
                try await daemon.waitFor("update", web, status: "running")
            }.text
            let lines = text.split(separator: "\n")
            #expect(lines.filter { $0.hasPrefix("event:") }.allSatisfy { $0 == "event: instance" })
            let starts = ["event: instance", "data: {", "id: ", "retry: 3000", ":"]
            #expect(lines.allSatisfy { line in starts.contains { line.hasPrefix($0) } })
            let types = Set(try StreamText(text).types)
            #expect(types.isSubset(of: ["initial", "create", "update", "delete", "log", "shutdown"]))
            daemon.reconciler.endStreams()
            var kinds = Set<String>()
            for try await notice in notices { kinds.insert(notice.kind.rawValue) }
            #expect(kinds.isSuperset(of: ["reject", "override", "release", "drift", "apply"]), "\(kinds)")
        }
    }

    @Test(
        "stored events have ids; a stream that resumes shows the key's row at once, then what was missed",
        arguments: ["query", "Last-Event-ID", "last-event-id"]
    )
    func resuming(_ manner: String) async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.createRunning(clientURL(4720))
            let mark = daemon.hub.lastID
            _ = try await daemon.patch(id, #"{"action":"stop"}"#)
            try await daemon.waitFor("update", id, status: "stopped")
            let last = daemon.hub.lastID
            #expect(last > mark)
            try await daemon.served { client in
                let path = manner == "query" ? "/api/v1/events?lastEventId=\(mark)" : "/api/v1/events"
                var stream = try await client.follow(path, manner == "query" ? [] : ["\(manner): \(mark)"])
                _ = try await stream.read(until: "id: \(last)\nevent: instance\n")
                let text = StreamText(try await stream.read(until: #""logs":""}"# + "\n\n").body)
                let events = try text.events
                #expect(events.first?["type"] == "initial")
                #expect(events.first?["instance"]?["id"]?.stringValue == KeyView.id)
                let rest = events.dropFirst()
                #expect(rest.allSatisfy { $0["type"] == "update" && $0["instance"]?["id"]?.stringValue == id })
                #expect(rest.last?["instance"]?["status"] == "stopped")
                let ids = text.blocks.compactMap { block in
                    block.split(separator: "\n").first { $0.hasPrefix("id: ") }.flatMap { Int64($0.dropFirst(4)) }
                }
                #expect(ids.count == rest.count && ids.allSatisfy { $0 > mark } && ids == ids.sorted())
                try await stream.close()
                // Nothing was missed: there is a sign of life all the same.
                var upToDate = try await client.follow("/api/v1/events?lastEventId=\(last)")
                let sign = try await upToDate.read(until: #""logs":""}"# + "\n\n")
                #expect(try StreamText(sign.body).types == ["initial"])
                try await upToDate.close()
            }
        }
    }

    /// What the stream tells of one instance: each event's type and status.
    private func story(_ text: String, of id: String) throws -> [String] {
        try StreamText(text).events.compactMap { event in
            guard event["instance"]?["id"]?.stringValue == id else { return nil }
            return "\(event["type"]?.stringValue ?? "") \(event["instance"]?["status"]?.stringValue ?? "")"
        }
    }

    @Test("create comes before any update, restart shows stopped then running, delete carries the whole object")
    func eventOrder() async throws {
        try await TestDaemon.run { daemon in
            let ids = Awaited<[String]>([])
            let text = try await daemon.stream {
                let id = try await daemon.createRunning(clientURL(4730), alias: "whole")
                ids.change { $0.append(id) }
                _ = try await daemon.patch(id, #"{"action":"restart"}"#)
                try await daemon.waitFor("update", id, status: "stopped")
                try await daemon.waitFor("update", id, status: "running")
                _ = try await daemon.send(.delete, "/api/v1/instances/\(id)")
                try await daemon.waitFor("delete", id, status: "stopped")
            }.text
            let id = try #require(ids.current.first)
            let story = try story(text, of: id)
            #expect(story.first == "create stopped")
            #expect(story.filter { $0.hasPrefix("create") }.count == 1)
            var steps: [String] = []
            for step in story where steps.last != step { steps.append(step) }
            let life = ["create stopped", "update running", "update stopped", "update running", "update stopped"]
            #expect(steps == life + ["delete stopped"])
            let last = try #require(try StreamText(text).events.last { $0["type"] == "delete" }?["instance"])
            AnswerShape.check(instance: last, isBare: true)
            #expect(last["alias"] == "whole" && last["url"]?.stringValue == clientURL(4730))
        }
    }

    static let changes: [(String, String)] = [
        ("hot", clientURL(4740, "mode=1&rate=80&log=debug")), ("rebound", clientURL(4741)),
        ("another type", "server://127.0.0.1:4742/127.0.0.1:9?mode=2"),
    ]

    @Test("a PUT emits an update with the new URL and running", arguments: changes)
    func replaced(_ manner: String, _ url: String) async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.createRunning(clientURL(4740))
            let text = try await daemon.stream {
                _ = try await daemon.send(.put, "/api/v1/instances/\(id)", #"{"url":"\#(url)"}"#)
                try await daemon.event { event in
                    event["type"] == "update" && event["instance"]?["url"]?.stringValue == url
                        && event["instance"]?["status"] == "running"
                }
            }.text
            // Whoever was told of the new URL was never told that it was created or deleted.
            #expect(try story(text, of: id).allSatisfy { $0.hasPrefix("initial") || $0.hasPrefix("update") })
        }
    }

    @Test("a running tunnel with traffic is reported every five seconds, and an idle one within five minutes")
    func reports() async throws {
        let clock = ManualClock()
        let start = Date()
        let now: @Sendable () -> Date = { start.addingTimeInterval(clock.now.offset / .seconds(1)) }
        try await TestDaemon.run(clock: clock, now: now) { daemon in
            let id = try await daemon.createRunning(clientURL(4750))
            for bytes in [100, 200, 300] {
                daemon.host.count(Traffic(tcpRx: 100), for: id)
                await clock.sleepers(1)
                clock.advance(by: .seconds(5))
                let event = try await daemon.event { $0["type"] == "update" && $0["instance"]?["tcprx"] != 0 }
                #expect(event["instance"]?["tcprx"]?.intValue == Int64(bytes))
                #expect(event["instance"]?["status"] == "running")
            }
            await clock.sleepers(1)
            clock.advance(by: .seconds(150))
            let idle = try await daemon.event { $0["type"] == "update" }
            #expect(idle["instance"]?["id"]?.stringValue == id)
        }
    }

    @Test(
        "shutdown has no instance and an empty log, byte for byte, and is the last event of a stream that ends properly"
    )
    func shutdownEvent() async throws {
        try await TestDaemon.run { daemon in
            try await daemon.served { client in
                var stream = try await client.follow()
                _ = try await stream.read(until: #""logs":""}"# + "\n\n")
                daemon.reconciler.endStreams()
                let answer = try await stream.readToEnd()
                #expect(answer.isWhole)
                // The connection ends with the stream: a client that was not told would send its next request there.
                #expect(answer.field("Connection") == "close")
                let last = try #require(StreamText(answer.body).blocks.last)
                let shape = /event: instance\ndata: {"type":"shutdown","time":"[^"]+Z","instance":null,"logs":""}/
                #expect(last.wholeMatch(of: shape) != nil, "\(last)")
                try? await stream.close()
            }
        }
    }

    @Test("a reader that falls behind misses no create and no delete; updates are folded into their last one")
    func slowReader() async throws {
        try await TestDaemon.run { daemon in
            let slow = try daemon.hub.subscribe()
            let first = try await daemon.createRunning(clientURL(4760))
            for _ in 0...EventHub.queueLimit { await daemon.reconciler.publishLog(first, "line") }
            for number in 1...5 {
                _ = try await daemon.patch(first, #"{"alias":"a\#(number)"}"#)
                try await daemon.event { $0["instance"]?["alias"]?.stringValue == "a\(number)" }
            }
            var others: [String] = []
            for port in 4761...4772 { others.append(try await daemon.createRunning(clientURL(port))) }
            for id in others + [first] { _ = try await daemon.send(.delete, "/api/v1/instances/\(id)") }
            var created = Set<String>()
            var deleted = Set<String>()
            var aliases: [String] = []
            for try await event in slow {
                let value = try JSONParser.parse(Array(event.payload.utf8))
                let id = try #require(value["instance"]?["id"]?.stringValue)
                switch event.kind {
                case .create: created.insert(id)
                case .delete: deleted.insert(id)
                case .update where id == first: aliases.append(value["instance"]?["alias"]?.stringValue ?? "")
                default: break
                }
                #expect(created.contains(id))
                if deleted.count == others.count + 1 { break }
            }
            #expect(created == Set(others + [first]) && deleted == created)
            #expect(aliases.last == "a5")
            #expect(Set(aliases).subtracting(["", "a5"]).count < 4, "nothing was folded: \(aliases)")
        }
    }
}
