import API
import ArgumentParser
import Config
import Glibc

/// `nodepass top`: the busiest tunnels, again and again.
struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Show the busiest tunnels, and again every few seconds on a terminal.",
        discussion: "Elsewhere it measures once and ends. Ctrl-C ends it."
    )

    @OptionGroup var selection: TunnelSelection

    @Option(help: "How often.")
    var interval = "2s"

    @Option(help: "How many tunnels; on a terminal as many as it has lines.")
    var count: Int?

    @OptionGroup var connection: ConnectionOptions

    private static let countElsewhere = 20

    func validate() throws { try CountLimit.check(count, 1...Int(UInt16.max), "--count") }

    func run() async throws {
        let client = try connection.client
        let pause = try DurationText.positive(interval, "--interval")
        let isTerminal = isatty(STDOUT_FILENO) == 1
        var before = try await figures(client)
        var measured = ContinuousClock.now
        repeat {
            try await Task.sleep(for: pause)
            let now = try await figures(client)
            // Reading thousands of tunnels takes time of its own.
            let time = ContinuousClock.now - measured
            measured = ContinuousClock.now
            let text = Self.table(now, since: before, over: time, count: count ?? Self.room(isTerminal))
            guard Output.line(isTerminal ? "\u{1b}[H\u{1b}[2J" + text : text) else { return }
            before = now
        } while isTerminal
    }

    private func figures(_ client: ControlClient) async throws -> [InstanceRow] {
        try await selection.chosen(from: client).rows
    }

    /// Sorted by what moved since `before`.
    static func table(_ rows: [InstanceRow], since before: [InstanceRow], over time: Duration, count: Int) -> String {
        let former = Dictionary(before.map { ($0.id, $0) }) { first, _ in first }
        let seconds = max(time / .seconds(1), 0.001)
        func rate(_ row: InstanceRow, _ bytes: (InstanceRow) -> Int64) -> Int64 {
            former[row.id].map { max(0, Int64(Double(bytes(row) - bytes($0)) / seconds)) } ?? 0
        }
        let lines = rows.enumerated().map { place, row in
            let received = rate(row) { $0.tcpIn + $0.udpIn }
            return (row: row, received: received, sent: rate(row) { $0.tcpOut + $0.udpOut }, place: place)
        }
        // Those that move nothing stay in the order of `get`.
        let busiest = lines.sorted { a, b in
            (a.received + a.sent, a.row.connections, b.place) > (b.received + b.sent, b.row.connections, a.place)
        }
        let cells = busiest.prefix(count).map { line in
            [
                InstanceText.short(InstanceText.name(line.row)), InstanceText.phase(line.row),
                String(line.row.connections),
                ByteText.size(line.received) + "/s", ByteText.size(line.sent) + "/s",
            ]
        }
        let total = lines.reduce(Int64(0)) { $0 + $1.received + $1.sent }
        let connections = rows.reduce(Int64(0)) { $0 + $1.connections }
        let head = "\(rows.count) tunnels, \(connections) connections, \(ByteText.size(total))/s"
        return head + "\n\n" + TextTable.aligned([["NAME", "PHASE", "CONNS", "IN", "OUT"]] + cells)
    }

    private static func room(_ isTerminal: Bool) -> Int {
        isTerminal ? max(1, (Output.terminalSize?.rows ?? countElsewhere) - 4) : countElsewhere
    }
}
