import API
import ArgumentParser
import Config
import Glibc
import Tunnel

/// Which tunnels a command is for: names and patterns, and what is to be true of them.
struct TunnelSelection: ParsableArguments {
    @Argument(
        help: "Names, ids or unique aliases; * and ? match as in a shell.",
        completion: .shellCommand("nodepass get -o name 2>/dev/null")
    )
    var names: [String] = []

    @Option(
        name: [.customShort("l"), .long],
        help: "Those with these tags: team=edge, team!=edge or team, separated by commas."
    )
    var selector: String?

    @Option(help: "Those in one of these phases, such as ready or failed,backoff.")
    var phase: String?

    @Flag(help: "Those that a request has overridden.")
    var overridden = false

    @Flag(help: "Those that do not serve as they should.")
    var problem = false

    var isEmpty: Bool { names.isEmpty && !filters }

    /// Whether anything but names narrows it.
    var filters: Bool { selector != nil || phase != nil || overridden || problem }

    func validate() throws {
        do throws(CommandFailure) {
            _ = try requirements()
        } catch {
            throw ValidationError(error.message)
        }
        if let unknown = phases?.first(where: { !TunnelSelection.knownPhases.contains($0) }) {
            let known = TunnelSelection.knownPhases.joined(separator: ", ")
            throw ValidationError("--phase: '\(unknown)' is not one of \(known)")
        }
    }

    /// What it chooses of all tunnels, in their order.
    struct Chosen {
        let all: [InstanceRow]
        let rows: [InstanceRow]
        /// Names that none of `all` has.
        var missing: [String]
    }

    func chosen(from client: ControlClient, showsSecrets: Bool = false) async throws -> Chosen {
        let rows = try await client.instances(showsSecrets: showsSecrets)
        guard problem else { return try chosen(from: rows) }
        let problems = try await client.status().problems
        return try chosen(from: rows, troubled: Set(problems.compactMap { $0.id }))
    }

    /// `troubled` are the ids of those that do not serve as they should.
    private func chosen(
        from rows: [InstanceRow],
        troubled: Set<String> = []
    ) throws(CommandFailure) -> Chosen {
        let requirements = try requirements()
        var ids: Set<String> = []
        var missing: [String] = []
        for name in names {
            let matching = try Self.matching(name, in: rows)
            if matching.isEmpty { missing.append(name) }
            ids.formUnion(matching.map(\.id))
        }
        let chosen = rows.filter { row in
            guard names.isEmpty || ids.contains(row.id) else { return false }
            let tags = row.meta.tags
            return requirements.allSatisfy { $0.holds(tags) } && (phases?.contains(row.phase) ?? true)
                && (!overridden || row.override != nil) && (!problem || troubled.contains(row.id))
        }
        return Chosen(all: rows, rows: chosen, missing: missing)
    }

    /// Those it chooses of the declared tunnels that requests have deleted, which have neither tags nor a phase.
    func chosen(of hidden: [WireObject<PlanView.Overridden>]) -> [WireObject<PlanView.Overridden>] {
        guard selector == nil, phase == nil, !problem else { return [] }
        return hidden.filter { tunnel in names.isEmpty || names.contains { Self.names($0, tunnel) } }
    }

    /// Whether a name of the command line is that of a deleted tunnel.
    static func names(_ name: String, _ tunnel: WireObject<PlanView.Overridden>) -> Bool {
        tunnel.id == name || Glob.matches(tunnel.name, name)
    }

    /// For a command that changes something: nothing is chosen by accident, and many only after a question.
    func required(
        from client: ControlClient,
        to action: String,
        isConfirmed: Bool
    ) async throws -> [InstanceRow] {
        guard !isEmpty else { throw CommandFailure(message: "name the tunnels to \(action)", isUsage: true) }
        let chosen = try await chosen(from: client)
        if let name = chosen.missing.first {
            throw Self.unknown(name, among: chosen.all, hidden: try await client.status().hidden)
        }
        guard !chosen.rows.isEmpty else { throw CommandFailure(message: "no tunnel is chosen; nothing was done") }
        try Confirmation.ask(action, chosen.rows.map(InstanceText.name), isConfirmed: isConfirmed)
        return chosen.rows
    }

    /// `hidden` are declared tunnels that requests have deleted: they come back by a release.
    static func unknown(
        _ name: String,
        among rows: [InstanceRow],
        hidden: [WireObject<PlanView.Overridden>] = []
    ) -> CommandFailure {
        if let tunnel = hidden.first(where: { names(name, $0) }) {
            return CommandFailure(message: InstanceText.hidden(tunnel))
        }
        return CommandFailure(
            message: "no tunnel has the name, id or alias '\(PlainText.line(name))'; \(advice(name, rows, hidden))"
        )
    }

    private static func advice(
        _ name: String,
        _ rows: [InstanceRow],
        _ hidden: [WireObject<PlanView.Overridden>]
    ) -> String {
        if name.hasSuffix("…") { return "a name that a table has cut is given by its id" }
        let known = rows.flatMap { [$0.name ?? "", $0.alias] } + hidden.map(\.name)
        let nearest = EditDistance.nearest(to: name, among: known.filter { !$0.isEmpty })
        return nearest.map { "did you mean '\(PlainText.line($0))'?" } ?? "`nodepass get` lists them"
    }

    /// A name, else an id, else a unique alias; any number for a pattern.
    static func matching(_ name: String, in rows: [InstanceRow]) throws(CommandFailure) -> [InstanceRow] {
        if name.contains(where: { $0 == "*" || $0 == "?" }) {
            return rows.filter { row in
                [row.name ?? "", row.alias, row.id].contains { !$0.isEmpty && Glob.matches($0, name) }
            }
        }
        if let row = rows.first(where: { $0.name == name }) ?? rows.first(where: { $0.id == name }) { return [row] }
        var aliased = rows.filter { $0.alias == name }
        // As a table shows it, without what would control the terminal.
        if aliased.isEmpty { aliased = rows.filter { !$0.alias.isEmpty && PlainText.line($0.alias) == name } }
        guard aliased.count <= 1 else {
            let ids = aliased.map(\.id).joined(separator: ", ")
            throw CommandFailure(message: "the alias '\(name)' is not unique; use one of the ids \(ids)")
        }
        return aliased
    }

    private static let knownPhases = TunnelPhase.allCases.map(\.rawValue)

    private var phases: [String]? { phase?.split(separator: ",").map(String.init) }

    // MARK: Tags

    /// What a tag has to be: there, there with a value, or not with a value.
    private struct Requirement {
        let tag: String
        var value: String?
        var isNegated = false

        func holds(_ tags: [String: String]) -> Bool {
            guard let value else { return (tags[tag] != nil) != isNegated }
            return (tags[tag] == value) != isNegated
        }
    }

    private func requirements() throws(CommandFailure) -> [Requirement] {
        var requirements: [Requirement] = []
        for part in selector?.split(separator: ",", omittingEmptySubsequences: false) ?? [] {
            let requirement: Requirement
            if let sign = part.firstRange(of: "!=") {
                requirement = Requirement(
                    tag: String(part[..<sign.lowerBound]),
                    value: String(part[sign.upperBound...]),
                    isNegated: true
                )
            } else if let sign = part.firstIndex(of: "=") {
                let value = part[part.index(after: sign)...].drop { $0 == "=" }
                requirement = Requirement(tag: String(part[..<sign]), value: String(value))
            } else if part.first == "!" {
                requirement = Requirement(tag: String(part.dropFirst()), isNegated: true)
            } else {
                requirement = Requirement(tag: String(part))
            }
            guard !requirement.tag.isEmpty else {
                let form = "write team=edge, team!=edge, team or !team"
                throw CommandFailure(
                    message: "--selector: '\(part)' is not a condition on a tag; \(form)",
                    isUsage: true
                )
            }
            requirements.append(requirement)
        }
        return requirements
    }
}

/// The question before a command changes many tunnels.
enum Confirmation {
    /// So many are changed without a question.
    static let limit = 10

    static func ask(_ action: String, _ names: [String], isConfirmed: Bool) throws(CommandFailure) {
        guard names.count > limit, !isConfirmed else { return }
        let shown = names.prefix(3).joined(separator: ", ")
        let question = "\(action) \(names.count) tunnels (\(shown) and \(names.count - 3) more)"
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else {
            throw CommandFailure(message: "this would \(question): repeat it with -y if that is meant")
        }
        Output.prompt(PlainText.line("Really \(question)? [y/N] "))
        guard ["y", "yes"].contains(readLine()?.lowercased()) else {
            throw CommandFailure(message: "nothing was done")
        }
    }
}
