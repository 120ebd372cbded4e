import API
import Config
import Foundation
import HTTPTypes
import TestSupport
import Testing

@Suite("What packaging/ has for monitoring", .timeLimit(.minutes(1)))
struct MonitoringTests {
    private static let packaging = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../packaging").standardizedFileURL

    /// Every metric of a text that is one of ours or of the process.
    private func metrics(in text: String) -> Set<String> {
        Set(text.matches(of: /\b(?:nodepass|process)_[a-z_]+[a-z]\b/).map { String($0.output) })
    }

    @Test(
        "asks for metrics that the daemon has, and for nothing else",
        arguments: ["grafana-dashboard.json", "prometheus-alerts.yml"]
    )
    func metrics(_ file: String) async throws {
        let text = try String(contentsOf: Self.packaging.appending(path: file), encoding: .utf8)
        let asked = metrics(in: text)
        #expect(asked.count >= 7)
        try await TestDaemon.run { daemon in
            let answer = try await daemon.send(.get, "/metrics")
            let told = answer.text.matches(of: /# TYPE (\S+)/).map { String($0.output.1) }
            #expect(asked.isSubset(of: told), "\(asked.subtracting(told))")
        }
    }

    @Test("the dashboard's panels have ids of their own and do not lie on each other")
    func panels() throws {
        let data = try Data(contentsOf: Self.packaging.appending(path: "grafana-dashboard.json"))
        let dashboard = try JSONDecoder().decode(Dashboard.self, from: data)
        #expect(dashboard.panels.count > 10)
        #expect(Set(dashboard.panels.map(\.id)).count == dashboard.panels.count)
        let cells = dashboard.panels.flatMap(\.gridPos.cells)
        #expect(Set(cells).count == cells.count)
        #expect(cells.allSatisfy { $0.x < 24 })
    }

    @Test("help and type stand once before each metric's samples, counters end in _total, and no sample stands twice")
    func exposition() async throws {
        try await TestDaemon.run { daemon in
            _ = try await daemon.create("client://127.0.0.1:4500/127.0.0.1:9?mode=1", alias: "a\"b\\c")
            let text = try await daemon.send(.get, "/metrics").text
            #expect(text.hasSuffix("\n"))
            var types: [String: String] = [:]
            var samples: Set<Substring> = []
            for line in text.split(separator: "\n") {
                let words = line.split(separator: " ")
                if line.hasPrefix("# TYPE ") {
                    #expect(types.updateValue(String(words[3]), forKey: String(words[2])) == nil, "\(line)")
                    #expect((words[3] == "counter") == words[2].hasSuffix("_total"), "\(line)")
                } else if !line.hasPrefix("#") {
                    let series = line[..<(line.lastIndex(of: " ") ?? line.endIndex)]
                    #expect(samples.insert(series).inserted, "\(line)")
                    #expect(types[String(series.prefix { $0 != "{" })] != nil, "\(line)")
                    #expect(Double(line.split(separator: " ").last ?? "") != nil, "\(line)")
                }
            }
            #expect(types.count > 20)
        }
    }
}

private struct Dashboard: Decodable {
    struct Panel: Decodable {
        let id: Int
        let gridPos: Position
    }

    struct Position: Decodable {
        let x: Int
        let y: Int
        let w: Int
        let h: Int

        var cells: [Cell] {
            (x..<x + w).flatMap { column in (y..<y + h).map { Cell(x: column, y: $0) } }
        }
    }

    struct Cell: Hashable {
        let x: Int
        let y: Int
    }

    let panels: [Panel]
}
