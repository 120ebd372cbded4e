import API
import Config
import Testing

@testable import nodepass

@Suite("The text of nodepass status")
struct StatusTextTests {
    private func status(problems: Int) -> WireObject<StatusView> {
        let all = (0..<problems).map { number -> JSONValue in
            [
                "kind": "failing", "words": "failing", "id": "00000001", "tunnel": .string("t\(number)"),
                "address": .null,
                "since": .null, "text": .string("problem \u{1b}[31m\u{202e}\(number)"), "remedy": "", "urgent": true,
            ]
        }
        return WireObject([
            "ok": false, "urgent": .int(Int64(problems)), "problems": .array(all), "tunnels": 10_000, "ready": 0,
            "stopped": 0, "overridden": 0, "hidden": [], "files": ["m.yaml"], "revision": "", "lastPass": .null,
            "certificates": [], "build": "0.1.0", "started": "2026-11-27T00:00:00Z",
        ])
    }

    @Test("of 10,000 problems it prints forty and says where the others are")
    func bounded() {
        let lines = StatusText.text(status(problems: 10_000)).split(separator: "\n")
        #expect(lines.first == "10000 problems, 10000 urgent:")
        #expect(lines.count { $0.hasPrefix("! ") } == 40)
        #expect(lines.contains("… 9960 more: nodepass status --json"))
        #expect(lines.count < 100)
    }

    @Test("what others wrote controls no terminal and turns nothing around")
    func hostile() {
        let text = StatusText.text(status(problems: 1))
        #expect(text.contains("problem [31m0"))
        #expect(!text.unicodeScalars.contains { ["\u{1b}", "\u{202e}"].contains($0) })
    }
}

@Suite("The table of nodepass top")
struct TopTableTests {
    private func row(_ number: Int, in received: Int64) -> InstanceRow {
        InstanceRow([
            "id": .string("0000000\(9 - number)"), "name": .string("t\(number)"), "phase": "ready",
            "connections": 0, "tcp_in": .int(received), "tcp_out": 0, "udp_in": 0, "udp_out": 0,
        ])
    }

    @Test("the busiest tunnels come first, by the time that passed; those that move nothing keep the order of get")
    func order() {
        let before = (0..<5).map { row($0, in: 0) }
        let after = (0..<5).map { row($0, in: $0 == 3 ? 4_000_000 : 0) }
        let text = TopCommand.table(after, since: before, over: .seconds(4), count: 4)
        let lines = text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(lines[0] == ["5", "tunnels,", "0", "connections,", "1MB/s"])
        #expect(lines.dropFirst(2).map(\.first) == ["t3", "t0", "t1", "t2"])
        #expect(lines[2].contains("1MB/s"))
    }
}
