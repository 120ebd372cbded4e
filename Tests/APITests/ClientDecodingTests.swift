import API
import Config
import FoundationEssentials
import HTTPTypes
import Reconciler
import TestSupport
import Testing

@Suite("Every answer decodes as its clients decode it", .timeLimit(.minutes(1)))
struct ClientDecodingTests {
    @Test("a dashboard in Go: whole numbers, no null where it follows a pointer, one envelope for every event")
    func dashboard() async throws {
        try await TestDaemon.run(manifest: EveryAnswer.manifest) { daemon in
            let answers = try await EveryAnswer(daemon)
            let stream = answers.stream
            #expect(Set(try stream.types) == ["initial", "create", "update", "log", "delete", "shutdown"])
            for text in answers.all.map(\.text) + stream.payloads {
                #expect(AnswerShape.numbers(in: text).allSatisfy { Int64($0) != nil }, "\(text)")
            }
            for (event, payload) in zip(try stream.events, stream.payloads) {
                #expect(event.names == ["type", "time", "instance", "logs"])
                #expect(event["logs"]?.stringValue != nil)
                let time = try #require(event["time"]?.stringValue)
                #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z/) != nil, "\(time)")
                #expect(payload.utf8.count < 64 * 1024)
                if event["type"] == "shutdown" {
                    #expect(event["instance"] == JSONValue.null)
                } else {
                    AnswerShape.check(instance: try #require(event["instance"]), isBare: true)
                }
            }
            let log = try #require(try stream.events.first { $0["type"] == "log" })
            #expect(log["logs"] == "\u{1b}[33mWARN\u{1b}[0m  <hello>")
            #expect(stream.text.contains(#""logs":"\u001b[33mWARN\u001b[0m  \u003chello\u003e""#))
            for ping in answers.others.suffix(2) {
                let json = try ping.json
                #expect(json.names == ["target", "connected", "latency", "error"])
                #expect(json["latency"]?.intValue != nil && json["connected"] == false)
                #expect(json["error"]?.stringValue?.isEmpty == false)
            }
        }
    }

    @Test("Apple's app: strict models, each row's URL in its five parts, and a message in every error")
    func apple() async throws {
        try await TestDaemon.run(manifest: EveryAnswer.manifest) { daemon in
            let answers = try await EveryAnswer(daemon)
            let decoder = JSONDecoder()
            let list = try decoder.decode([AppleModels.Instance].self, from: Data(answers.list.text.utf8))
            #expect(list.filter(\.isShown).count == list.count - 1)
            for row in list.filter(\.isShown) {
                let address = try AppleModels.Address(row.url)
                #expect(address.scheme == row.type)
                #expect(UInt16(address.tunnelPort) != nil && address.targetPort.split(separator: ",").count >= 1)
                #expect(row.meta != nil)
            }
            for answer in answers.singles {
                let row = try decoder.decode(AppleModels.Instance.self, from: Data(answer.text.utf8))
                #expect(row.id.count == 8 && row.config != nil && row.alias != nil)
            }
            for answer in answers.others.prefix(2) {
                let info = try decoder.decode(AppleModels.Info.self, from: Data(answer.text.utf8))
                #expect(info.os == "linux" && info.memTotal != nil && info.cpu != nil)
            }
            for answer in answers.refusals where answer.status != 401 {
                let failure = try decoder.decode(AppleModels.Failure.self, from: Data(answer.text.utf8))
                #expect(!failure.message.isEmpty)
            }
        }
    }

    @Test(
        "Apple's app takes the URLs apart that it sends itself",
        arguments: [
            ("server://:10101/:8080", ["server", "", "10101", "", "8080"]),
            ("client://pw@[::1]:1/[2001:db8::1]:2?mode=1", ["client", "[::1]", "1", "[2001:db8::1]", "2"]),
            ("client://a:1/b:2,c:3?x=/y:z", ["client", "a", "1", "b:2,c", "3"]),
        ]
    )
    func address(_ url: String, _ parts: [String]) throws {
        let address = try AppleModels.Address(url)
        let found = [
            address.scheme, address.tunnelHost, address.tunnelPort, address.targetHost, address.targetPort,
        ]
        #expect(found == parts)
        for broken in ["master://a:1/b:2", "client://a:1", "client://a/b:2", "client://a:1/b"] {
            #expect(throws: AppleModels.Address.Crash.self) { try AppleModels.Address(broken) }
        }
    }
}
