import API
import Config
import FoundationEssentials
import HTTPTypes
import Reconciler
import TestSupport
import Testing
import Tunnel

/// What NodePass's clients take for granted in any JSON answer or event, checked on the text as it came.
enum AnswerShape {
    /// v1.14's keys that hold a number.
    static let counters = ["mode", "ping", "pool", "tcps", "udps", "tcprx", "tcptx", "udprx", "udptx"]
    static let extraKeys = InstanceContractTests.ourKeys

    /// No blank and no line end outside of strings.
    static func isCompact(_ text: String) -> Bool {
        var isInString = false
        var isEscaped = false
        for byte in text.utf8 {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInString.toggle()
            } else if !isInString, byte <= 0x20 {
                return false
            }
        }
        return !isInString
    }

    /// Every number of the text as it is written.
    static func numbers(in text: String) -> [Substring] {
        let bare = text.replacing(/"(?:[^"\\]|\\.)*"/, with: "")
        return bare.matches(of: /-?[0-9][0-9.eE+-]*/).map(\.output)
    }

    /// What a dashboard in Go needs in order not to crash, and np.sh to find its words.
    static func check(
        instance: JSONValue,
        isBare: Bool,
        _ comment: Comment? = nil,
        at place: Testing.SourceLocation = #_sourceLocation
    ) {
        let isKey = instance["id"]?.stringValue == KeyView.id
        let names = instance.names
        let v1 = InstanceContractTests.v1Keys
        #expect(Array(names.prefix(v1.count)) == v1, comment, sourceLocation: place)
        if isBare {
            #expect(names.count == v1.count + (isKey ? 0 : extraKeys.count), comment, sourceLocation: place)
        } else {
            #expect(Array(names.suffix(2)) == ["success", "data"], comment, sourceLocation: place)
        }
        #expect(Set(names).count == names.count, comment, sourceLocation: place)
        #expect(names.dropFirst(v1.count).allSatisfy { !$0.hasSuffix("url") }, comment, sourceLocation: place)
        for name in ["id", "alias", "type", "status", "url", "config"] {
            #expect(instance[name]?.stringValue != nil, comment, sourceLocation: place)
        }
        for name in counters {
            #expect((instance[name]?.intValue ?? -1) >= 0, comment, sourceLocation: place)
        }
        let meta = instance["meta"]
        #expect(meta?.names == ["peer", "tags"], comment, sourceLocation: place)
        #expect(meta?["peer"]?.names == ["sid", "type", "alias"], comment, sourceLocation: place)
        for name in ["sid", "type", "alias"] {
            #expect(meta?["peer"]?[name]?.stringValue != nil, comment, sourceLocation: place)
        }
        if case .object(let tags)? = meta?["tags"] {
            #expect(tags.allSatisfy { $0.value.stringValue != nil }, comment, sourceLocation: place)
        } else {
            Issue.record(comment, sourceLocation: place)
        }
        if case .bool? = instance["restart"] {} else { Issue.record(comment, sourceLocation: place) }
        let words = isKey ? [""] : ["running", "stopped", "error"]
        #expect(words.contains(instance["status"]?.stringValue ?? "?"), comment, sourceLocation: place)
        let types = isKey ? [""] : ["server", "client"]
        #expect(types.contains(instance["type"]?.stringValue ?? "?"), comment, sourceLocation: place)
    }
}

/// One of every JSON answer, and a stream with one of every type of event, from a daemon with several kinds of tunnels.
struct EveryAnswer {
    static let manifest = """
        version: 1
        tunnels:
          web: {role: client, mode: single, tunnel: 127.0.0.1:4500, target: 127.0.0.1:9, tags: {env: prod}}
          cut: {role: server, mode: forward, tunnel: 127.0.0.1:4501, target: 127.0.0.1:9, tls: self-signed}

        """

    /// About one instance.
    var singles: [Answer] = []
    var list: Answer
    /// `/info` twice, `/tcping` twice.
    var others: [Answer] = []
    var refusals: [Answer] = []
    /// The text of an event stream from its beginning to its end.
    var stream: StreamText

    init(_ daemon: TestDaemon) async throws {
        let declared = try await daemon.declared("web")
        let created = try await daemon.send(
            .post,
            "/api/v1/instances",
            #"{"url":"\#(clientURL(4510, "zzz=<1>&mode=1"))","alias":"a \"quoted\" <name>"}"#
        )
        let id = try #require(try created.json["id"]?.stringValue)
        try await daemon.waitFor("update", id, status: "running")
        let path = "/api/v1/instances/\(id)"
        singles = [
            created,
            try await daemon.patch(id, #"{"meta":{"peer":{"sid":null,"type":"1"},"tags":{"a":null}}}"#),
            try await daemon.patch(id, #"{"restart":false}"#),
            try await daemon.send(.put, path, #"{"url":"\#(clientURL(4511, "mode=1&log=debug"))"}"#),
        ]
        singles.append(try await daemon.patch(declared, #"{"action":"stop","alias":"over"}"#))
        try await daemon.waitFor("update", declared, status: "stopped")
        singles.append(try await daemon.send(.put, "/api/v1/instances/\(declared)", #"{"url":"\#(clientURL(4512))"}"#))
        let failing = try #require(await daemon.reconciler.instances().first { $0.name == "cut" }?.id)
        daemon.host.show(failing, .failed, .noPermission)
        try await daemon.waitFor("update", failing, status: "error")
        singles.append(try await daemon.send(.get, "/api/v1/instances/\(failing)"))
        singles.append(try await daemon.send(.get, path))
        singles.append(try await daemon.send(.get, "/api/v1/instances/\(KeyView.id)"))
        list = try await daemon.send(.get, "/api/v1/instances")
        others = [
            try await daemon.send(.get, "/api/v1/info"),
            try await daemon.send(.post, "/api/v1/info", #"{"alias":"m"}"#),
            try await daemon.send(.get, "/api/v1/tcping?target=127.0.0.1:1"),
            try await daemon.send(.get, "/api/v1/tcping?target=nonsense"),
        ]
        refusals = [
            try await daemon.sendPlain(.get, "/api/v1/instances"),
            try await daemon.sendPlain(.get, "/api/v1/instances", headers: [TestDaemon.key: "wrong"]),
            try await daemon.send(.post, "/api/v1/instances", "{"),
            try await daemon.send(.post, "/api/v1/instances", #"{"url":"client://nonsense"}"#),
            try await daemon.send(.get, "/api/v1/instances/00000000"),
            try await daemon.send(.delete, "/api/v1/instances/\(KeyView.id)"),
            try await daemon.send(.delete, "/api/v1/instances"),
            try await daemon.send(.put, path, #"{"url":"\#(clientURL(4511, "mode=1&log=debug"))"}"#),
            try await daemon.patch(id, #"{"action":"bogus"}"#),
            try await daemon.send(.get, "/api/v1/tcping"),
        ]
        stream = StreamText(
            try await daemon.stream {
                let second = try await daemon.createRunning(clientURL(4513))
                await daemon.reconciler.publishLog(second, "\u{1b}[33mWARN\u{1b}[0m  <hello>")
                _ = try await daemon.send(.delete, "/api/v1/instances/\(second)")
                try await daemon.waitFor("delete", second, status: "stopped")
            }.text
        )
    }

    var all: [Answer] { singles + [list] + others + refusals }
}
