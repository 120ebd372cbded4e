import API
import Config
import HTTPTypes
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("What NodePass's clients rely on: shapes", .timeLimit(.minutes(1)))
struct NodePassClientWireTests {
    @Test("lists are bare, all is compact, id is first, v1.14's keys come in order and ours after udptx")
    func listShape() async throws {
        try await TestDaemon.run(manifest: EveryAnswer.manifest) { daemon in
            let answers = try await EveryAnswer(daemon)
            for answer in answers.all {
                #expect(answer.text.hasSuffix("}\n") || answer.text.hasSuffix("]\n"))
                #expect(AnswerShape.isCompact(String(answer.text.dropLast())), "\(answer.text)")
            }
            #expect(answers.list.text.hasPrefix(#"[{"id":"********","alias":"#))
            let rows = try answers.list.json.items
            #expect(rows.count == 4)
            for row in rows { AnswerShape.check(instance: row, isBare: true) }
            for answer in answers.singles {
                #expect(answer.text.hasPrefix(#"{"id":""#))
                let json = try answer.json
                AnswerShape.check(instance: json, isBare: false, "\(answer.text)")
                // np.sh takes the last one it finds.
                let urls = Set(answer.text.matches(of: /url":"([^"]+)"/).map { String($0.output.1) })
                #expect(urls.count == 1, "\(urls)")
                #expect(answer.text.contains(#"url":"\#(urls.first ?? "?")","config":""#))
            }
            for payload in answers.stream.payloads {
                #expect(AnswerShape.isCompact(payload))
                #expect(payload.hasPrefix(#"{"type":""#))
            }
            for event in try answers.stream.events where event["type"] != "shutdown" {
                #expect(event.names == ["type", "time", "instance", "logs"])
                AnswerShape.check(instance: try #require(event["instance"]), isBare: true)
            }
        }
    }

    @Test("an id is 8 lower-case hex digits; a declared tunnel's comes from its name and outlives edits")
    func ids() async throws {
        let line = "  web: {role: client, mode: single, tunnel: 127.0.0.1:4520, target: 127.0.0.1:9}\n"
        let first = try await id(of: "web", in: "version: 1\ntunnels:\n" + line, edited: { $0 })
        let edited = try await id(of: "web", in: "version: 1\ntunnels:\n" + line) { text in
            text.replacing("4520", with: "4521").replacing("  web", with: "  # moved\n\n  web")
        }
        #expect(first.wholeMatch(of: /[0-9a-f]{8}/) != nil)
        #expect(edited == first)
        try await TestDaemon.run { daemon in
            let created = try await daemon.create(clientURL(4522))
            #expect(created.wholeMatch(of: /[0-9a-f]{8}/) != nil)
        }
    }

    /// The id a new daemon gives a tunnel, after its manifest was edited and read again.
    private func id(
        of name: String,
        in manifest: String,
        edited: @Sendable @escaping (String) -> String
    ) async throws
        -> String
    {
        let ids = Awaited<[String]>([])
        try await TestDaemon.run(manifest: manifest) { daemon in
            let reader = ManifestReader(environment: [:], workingDirectory: "/")
            let before = try #require(await daemon.reconciler.instances().first { $0.name == name }?.id)
            await daemon.reconciler.declare(reader.read(text: edited(manifest), file: "tunnels.yaml"))
            let after = try #require(await daemon.reconciler.instances().first { $0.name == name }?.id)
            #expect(before == after)
            ids.change { $0.append(after) }
        }
        return try #require(ids.current.first)
    }

    @Test("alias and logs are always strings and meta always has its peer and its tags, whatever was sent")
    func labelShape() async throws {
        try await TestDaemon.run { daemon in
            let empty = #""meta":{"peer":{"sid":"","type":"","alias":""},"tags":{}}"#
            let text = try await daemon.stream {
                let id = try await daemon.createRunning(clientURL(4530))
                let bodies = [
                    #"{"alias":null}"#, #"{"meta":null}"#, #"{"meta":{"peer":null,"tags":null}}"#,
                    #"{"meta":{"peer":{"sid":null,"type":null,"alias":null}}}"#, #"{"meta":{"peer":{},"tags":{}}}"#,
                ]
                for body in bodies {
                    let answer = try await daemon.patch(id, body)
                    #expect(answer.status == 200)
                    #expect(answer.text.contains(empty))
                    #expect(answer.text.hasPrefix(#"{"id":"\#(id)","alias":"","#))
                }
                #expect(try await daemon.patch(id, #"{"meta":{"tags":{"a":null}}}"#).text.contains(#""tags":{"a":""}"#))
                await daemon.reconciler.publishLog(id, "")
                _ = try await daemon.send(.delete, "/api/v1/instances/\(id)")
                try await daemon.waitFor("delete", id, status: "stopped")
            }.text
            let stream = StreamText(text)
            #expect(Set(try stream.types) == ["initial", "create", "update", "log", "delete", "shutdown"])
            for event in try stream.events {
                #expect(event["logs"]?.stringValue != nil)
                guard event["type"] != "shutdown" else { continue }
                AnswerShape.check(instance: try #require(event["instance"]), isBare: true)
            }
            #expect(stream.payloads.first?.contains(empty) == true)
        }
    }

    @Test("counters are JSON integers that fit a signed 64-bit number, however much was counted")
    func counterRange() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.createRunning(clientURL(4540))
            let most = UInt64(Int64.max)
            daemon.host.count(Traffic(tcpRx: most - 1, tcpTx: most, udpRx: most + 1, udpTx: .max), for: id)
            let answer = try await daemon.send(.get, "/api/v1/instances/\(id)")
            let figures =
                #""tcprx":9223372036854775806,"tcptx":9223372036854775807,"#
                + #""udprx":9223372036854775807,"udptx":9223372036854775807,"#
            #expect(answer.text.contains(figures))
            #expect(answer.text.contains(#""tcp_in":9223372036854775806,"tcp_out":9223372036854775807,"#))
            let list = try await daemon.send(.get, "/api/v1/instances").text
            let info = try await daemon.send(.get, "/api/v1/info").text
            for text in [answer.text, list, info] {
                let numbers = AnswerShape.numbers(in: text)
                #expect(!numbers.isEmpty)
                #expect(numbers.allSatisfy { Int64($0) != nil }, "\(numbers)")
            }
        }
    }

    @Test(
        "status is one of three words in every phase; phase has the finer word",
        arguments: TunnelPhase.allCases
    )
    func statusWords(_ phase: TunnelPhase) async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.createRunning(clientURL(4550))
            // A phase shown is news, so it is told; ready is what it is in already.
            if phase == .ready { daemon.host.show(id, .starting) }
            daemon.host.show(id, phase)
            let event = try await daemon.event { event in
                event["type"] == "update" && event["instance"]?["phase"]?.stringValue == phase.rawValue
                    && event["instance"]?["id"]?.stringValue == id
            }
            #expect(event["instance"]?["status"]?.stringValue == WireStatus(phase).rawValue)
            // By now the reconciler may have brought it back; whatever it is in has one of the three words.
            for instance in [event["instance"], try await daemon.row(id)] {
                #expect(["running", "stopped", "error"].contains(instance?["status"]?.stringValue ?? ""))
                #expect(instance?["phase"]?.stringValue != nil)
            }
        }
    }

    static let sent: [String] = [
        "client://:4560/127.0.0.1:9?mode=1",
        "client://127.0.0.1:4560/127.0.0.1:9?zzz=1&mode=1&a=2",
        "client://pa%20ss@127.0.0.1:4560/127.0.0.1:9?mode=1",
        "client://127.0.0.1:4560/127.0.0.1:9,127.0.0.1:10?mode=1&extend_target_address=127.0.0.1:9,127.0.0.1:10",
        "client://[::1]:4560/[::1]:9?mode=1&note=a+b%20c%2fd/e",
        "client://127.0.0.1:4560/127.0.0.1:9?mode=1&mode=1&dns=&empty&=x",
        "client://127.0.0.1:4560/127.0.0.1:9?mode=1&sni=%41bc&block=123",
        "server://127.0.0.1:4560/:8080?tls=2&crt=/etc/a b.crt&key=%2Fetc%2Fa.key",
        "server://:4560/:8080",
    ]

    @Test("a URL is kept byte for byte, in every answer and event, by POST and by PUT")
    func urlsKept() async throws {
        try await TestDaemon.run { daemon in
            for url in Self.sent { try await keeps(url, daemon) }
        }
    }

    private func keeps(_ url: String, _ daemon: TestDaemon) async throws {
        let answer = try await daemon.send(.post, "/api/v1/instances", #"{"url":"\#(url)"}"#)
        #expect(answer.status == 201, "\(answer.text)")
        let id = try #require(try answer.json["id"]?.stringValue)
        let created = try await daemon.event { $0["type"] == "create" && $0["instance"]?["id"]?.stringValue == id }
        let updated = try await daemon.event { $0["type"] == "update" && $0["instance"]?["id"]?.stringValue == id }
        let read = try await daemon.send(.get, "/api/v1/instances/\(id)").json
        let rows = [try answer.json, created["instance"], updated["instance"], read, try await daemon.row(id)]
        #expect(rows.map { $0?["url"]?.stringValue } == Array(repeating: url, count: 5))
        let config = try #require(read["config"]?.stringValue)
        let names = config.split(separator: "?", maxSplits: 1).last?.split(separator: "&").map {
            String($0.prefix { $0 != "=" })
        }
        #expect(names == names?.sorted(), "\(config)")
        let defaults = url.hasPrefix("client") ? ["sni", "min"] : ["max", "type"]
        let common = ["dns", "mode", "dial", "read", "rate", "slot", "proxy", "block", "notcp", "noudp"]
        #expect(Set(defaults + common).isSubset(of: names ?? []), "\(config)")
        _ = try await daemon.send(.delete, "/api/v1/instances/\(id)")
        let other = try await daemon.create(clientURL(4561))
        let replaced = try await daemon.send(.put, "/api/v1/instances/\(other)", #"{"url":"\#(url)"}"#)
        #expect(try replaced.json["url"]?.stringValue == url)
        try await daemon.event { event in
            event["type"] == "update" && event["instance"]?["url"]?.stringValue == url
                && event["instance"]?["id"]?.stringValue == other
        }
        _ = try await daemon.send(.delete, "/api/v1/instances/\(other)")
    }

    @Test("the API key's row is in lists and in the initial events, with the key and the master's id")
    func keyRow() async throws {
        try await TestDaemon.run { daemon in
            let list = try await daemon.send(.get, "/api/v1/instances")
            let row = try #require(try list.json.items.first)
            let stream = StreamText(try await daemon.stream().text)
            let initial = try #require(try stream.events.first)
            #expect(initial["type"] == "initial" && initial["instance"] == row)
            let text =
                #"{"id":"********","alias":"","type":"","status":"","url":"\#(daemon.identity.apiKey)","#
                + #""config":"\#(daemon.identity.masterID)","restart":false,"#
                + #""meta":{"peer":{"sid":"","type":"","alias":""},"tags":{}},"mode":0,"ping":0,"pool":0,"tcps":0,"#
                + #""udps":0,"tcprx":0,"tcptx":0,"udprx":0,"udptx":0}"#
            #expect(list.text == "[\(text)]\n")
            #expect(daemon.identity.apiKey.wholeMatch(of: /[0-9a-f]{32}/) != nil)
            #expect(daemon.identity.masterID.wholeMatch(of: /[0-9a-f]{16}/) != nil)
            #expect(try await daemon.send(.get, "/api/v1/info").json["mid"] == row["config"])
            _ = try await daemon.send(.post, "/api/v1/info", #"{"alias":"edge"}"#)
            #expect(try await daemon.row(KeyView.id)?["alias"] == "edge")
        }
    }
}
