import API
import ArgumentParser
import Config
import Reconciler

/// `nodepass get`: the tunnels of a running daemon.
struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "List all tunnels, or those that are chosen.",
        discussion: """
            A ! after the phase: a request has overridden the manifest; `nodepass describe` shows what. AGE is how \
            long a tunnel has been ready, RATE what it moved a second lately.
            """
    )

    /// `jsonpath=TEMPLATE` has its template with it.
    enum Format: Equatable {
        case table
        case wide
        case json
        case yaml
        case url
        case name
        case csv
        case template(String)
    }

    @OptionGroup var selection: TunnelSelection

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: "Format: table, wide, json, yaml, url, name, csv or jsonpath=TEMPLATE, such as '{.name} {.phase}'."
    )
    var output = Format.table

    @Option(help: "Order: name, phase, conns, in, out, rate, age or another column of `-o wide`.")
    var sort: InstanceColumns.Column?

    @Flag(help: "Leave out the line of headers.")
    var noHeaders = false

    @Flag(name: [.customShort("w"), .long], help: "Then print each change of a chosen tunnel's phase.")
    var watch = false

    @Flag(help: "Show keys, and values from references.")
    var showSecrets = false

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if watch, !isTable { throw ValidationError("-w goes with -o table and -o wide") }
    }

    func run() async throws {
        let client = try connection.client
        var chosen = try await selection.chosen(from: client, showsSecrets: showSecrets)
        let status = try await client.status()
        let hidden = selection.chosen(of: status.hidden)
        // Only columns can show a tunnel that does not exist now.
        if isTable { chosen.missing.removeAll { name in hidden.contains { TunnelSelection.names(name, $0) } } }
        let table = InstanceTable(
            columns: InstanceColumns(rates: try await rates(client), problems: status.problems),
            isWide: output == .wide,
            hasHeader: !noHeaders,
            terminalColumns: Output.terminalSize?.columns
        )
        let rows = sort.map { table.columns.sorted(chosen.rows, by: $0) } ?? Self.inOrder(chosen.rows)
        switch output {
        case .table, .wide:
            // Headers alone would say that there are no tunnels.
            guard chosen.missing.isEmpty || !rows.isEmpty || !hidden.isEmpty else { break }
            try await printTable(rows, hidden, table, status, client)
        case .name: Self.handles(of: rows, among: chosen.all).forEach { Output.line($0) }
        default: try print(rows, table)
        }
        for name in chosen.missing {
            let failure = TunnelSelection.unknown(name, among: chosen.all, hidden: status.hidden)
            Output.error("Error: " + failure.printableMessage)
        }
        if watch { try await follow(Set(rows.map(\.id)), client) }
        if !chosen.missing.isEmpty { throw ExitCode(1) }
    }

    private var isTable: Bool { output == .table || output == .wide }

    /// The API lists those that it created by id; people look for what is in the first column.
    static func inOrder(_ rows: [InstanceRow]) -> [InstanceRow] {
        let created = rows.filter { $0.origin == Instance.Origin.api.rawValue }.sorted { a, b in
            (InstanceText.name(a), a.id) < (InstanceText.name(b), b.id)
        }
        return rows.filter { $0.origin != Instance.Origin.api.rawValue } + created
    }

    /// The history is a convenience: without it there are no rates.
    private func rates(_ client: ControlClient) async throws -> [String: Int64] {
        let isShown = isTable || output == .csv || sort == .rate
        guard isShown, let overview = try? await client.get("/history", as: HistoryOverviewView.self) else {
            return [:]
        }
        let step = max(1, overview.step)
        return Dictionary(
            overview.tunnels.map { ($0.id, (($0.received.last ?? 0) + ($0.sent.last ?? 0)) / step) }
        ) { first, _ in first }
    }

    private func printTable(
        _ rows: [InstanceRow],
        _ hidden: [WireObject<PlanView.Overridden>],
        _ table: InstanceTable,
        _ status: WireObject<StatusView>,
        _ client: ControlClient
    ) async throws {
        let leaving = selection.isEmpty ? try await client.reconcile().leaving : []
        let text = table.text(rows, hidden: hidden, leaving: leaving)
        if !text.isEmpty { Output.line(text) }
        guard selection.isEmpty else { return }
        for problem in status.problems where Self.concernsAll(problem) {
            Output.error(PlainText.line((problem.tunnel.map { $0 + ": " } ?? "") + problem.text))
        }
    }

    private func print(_ rows: [InstanceRow], _ table: InstanceTable) throws {
        switch output {
        case .table, .wide, .name: break
        case .json: Output.line(JSONValue.array(rows.map(\.json)).prettyText)
        case .yaml: Output.raw(YAMLText.document(.array(rows.map(\.json))))
        case .url: rows.forEach { Output.line(PlainText.line($0.url)) }
        case .csv: Output.line(table.csv(rows))
        case .template(let template):
            let template = try PathTemplate(template)
            rows.forEach { Output.line(template.text($0.json)) }
        }
    }

    /// What names each of these tunnels, and no other, on a command line: its name, else its alias where that is
    /// unique and a terminal shows all of it, else its id.
    static func handles(of rows: [InstanceRow], among all: [InstanceRow]) -> [String] {
        let counts = Dictionary(all.map { ($0.alias, 1) }, uniquingKeysWith: +)
        let others = Set(all.map(\.id) + all.compactMap(\.name))
        return rows.map { row in
            if let name = row.name, !name.isEmpty { return name }
            let alias = row.alias
            let isTyped =
                PlainText.line(alias) == alias && !alias.contains { "*?".contains($0) } && !alias.hasPrefix("-")
            let isClear = isTyped && !alias.isEmpty && counts[alias] == 1 && !others.contains(alias)
            return isClear ? alias : row.id
        }
    }

    private func follow(_ ids: Set<String>, _ client: ControlClient) async throws {
        var seen: [String: String] = [:]
        for try await event in try await client.stream("/events?reports=changed") {
            guard let data = try? JSONParser.parse(Array(event.data.utf8)) else { continue }
            let event = WireObject<EventView>(data)
            guard let row = event.instance, selection.isEmpty || ids.contains(row.id),
                let line = WatchCommand.step(event, &seen), event.type != "initial"
            else { continue }
            guard Output.line(PlainText.line(line)) else { return }
        }
    }

    /// What the table does not show: problems of the daemon, and of declarations that are not what runs.
    private static func concernsAll(_ problem: WireObject<ProblemView>) -> Bool {
        problem.tunnel == nil || problem.kind == Problem.Kind.invalidDeclaration.rawValue
    }

    static func find(_ name: String, in rows: [InstanceRow]) throws(CommandFailure) -> InstanceRow {
        let matching = try TunnelSelection.matching(name, in: rows)
        guard let row = matching.first else { throw TunnelSelection.unknown(name, among: rows) }
        guard matching.count == 1 else {
            throw CommandFailure(message: "'\(name)' matches \(matching.count) tunnels; name one")
        }
        return row
    }
}

extension GetCommand.Format: ExpressibleByArgument {
    private static let plain: [String: GetCommand.Format] = [
        "table": .table, "wide": .wide, "json": .json, "yaml": .yaml, "url": .url, "name": .name, "csv": .csv,
    ]

    init?(argument: String) {
        let prefix = "jsonpath="
        if argument.hasPrefix(prefix) {
            self = .template(String(argument.dropFirst(prefix.count)))
        } else if let format = Self.plain[argument] {
            self = format
        } else {
            return nil
        }
    }

    static var allValueStrings: [String] { plain.keys.sorted() + ["jsonpath="] }

    var defaultValueDescription: String { "table" }
}

extension InstanceColumns.Column: ExpressibleByArgument {
    init?(argument: String) { self.init(named: argument) }

    static var allValueStrings: [String] { wide.map { $0.rawValue.lowercased() } }
}
