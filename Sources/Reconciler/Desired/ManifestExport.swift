import Config
package import FoundationEssentials

/// The state as a manifest: planning it against the daemon it came from changes nothing.
///
/// References are written as their files have them, so that secrets need not move; other keys are in
/// clear.
enum ManifestExport {
    /// What is written of a tunnel that is declared and overridden.
    enum Form {
        /// What the manifest says, with the override as a comment: who applies it decides nothing for good.
        case declared
        /// What it is now, as if the override were to last.
        case live
    }

    static func text(of state: DesiredState, as form: Form, now: Date) -> String {
        let present = form == .live ? state.ordered : state.declaredForms
        let names = ExportNames(present, reserved: state.records.values)
        var text = """
            # The state of this daemon on \(time(now)). Applying it changes no running tunnel; tunnels that the
            # API created are adopted. Paths of files are absolute; keys that are not references are in clear text.
            version: 1

            """
        text += policy(state.policy)
        let entries = present.map { instance in entry(instance, named: names.name(of: instance), in: state, form) }
        text += entries.isEmpty ? "tunnels: {}\n" : "tunnels:\n"
        return text + entries.joined()
    }

    private static func policy(_ policy: ManifestPolicy) -> String {
        guard policy != ManifestPolicy() else { return "" }
        let members: JSONValue = [
            "overrides": .string(policy.overridesAllowed ? "allow" : "deny"),
            "overrideTTL": .string(GoDuration.text(policy.overrideTTL)), "prune": .bool(policy.prune),
        ]
        return "policy:\n" + YAMLText.block(members, indent: 2) + "\n"
    }

    private static func entry(
        _ instance: DesiredInstance,
        named name: String,
        in state: DesiredState,
        _ form: Form
    ) -> String {
        var content = instance.content
        if content.labels.alias == name { content.labels.alias = "" }
        let remarks = remarks(of: instance, in: state, form).map { "  # \($0)\n" }.joined()
        let texts = texts(of: instance, in: state)
        guard let keys = content.manifestEntry(replacing: texts) else {
            let url = content.spec.displayURL(hiding: instance.secretPaths)
            return remarks + "  # Left out, because no key can express it: \(url)\n"
        }
        return remarks + "  \(name):\n" + YAMLText.block(keys, indent: 4) + "\n"
    }

    private static func remarks(of instance: DesiredInstance, in state: DesiredState, _ form: Form) -> [String] {
        var remarks = [instance.source.map { "Declared at \($0.fileAndLine)." } ?? "Created through the API."]
        if let record = state.records[instance.id], let override = record.override {
            let until = override.until.map { ", until \(time($0))" } ?? ""
            let author = "\(override.by)" + (override.note.map { " (\($0))" } ?? "")
            let present = PlanReport.Overridden(record)?.present ?? ""
            let what = form == .live ? "this is what it is now" : "it is \(present), which is not written here"
            remarks.append("Overridden since \(time(override.since)) by \(author)\(until): \(what).")
        }
        if !instance.autostart { remarks.append("It does not start with the daemon, which a manifest cannot express.") }
        return remarks.map(PlainText.line)
    }

    /// The texts of the file for values that an override has not changed.
    private static func texts(of instance: DesiredInstance, in state: DesiredState) -> [String: String] {
        guard let declaration = state.declarations[instance.id], instance.origin == .manifest else { return [:] }
        let changed = Set(declaration.content.changes(to: instance.content).map(\.path))
        return declaration.referenceTexts.filter { !changed.contains($0.key) }
    }

    private static func time(_ date: Date) -> String {
        date.formatted(.iso8601)
    }
}

extension DesiredState {
    /// See `ManifestExport`.
    package func export(live: Bool = false, now: Date) -> String {
        ManifestExport.text(of: self, as: live ? .live : .declared, now: now)
    }

    /// What would be desired without overrides, those that hide a tunnel included.
    fileprivate var declaredForms: [DesiredInstance] {
        records.values.compactMap { DesiredInstance($0.withoutOverride) }.sorted(by: DesiredState.precedes)
    }
}

/// Gives each instance a name by which adoption finds it again.
private struct ExportNames {
    private let aliasCounts: [String: Int]
    private let reserved: Set<String>

    init(_ instances: [DesiredInstance], reserved records: some Sequence<InstanceRecord>) {
        let created = instances.filter { $0.origin == .api }
        aliasCounts = Dictionary(created.map { ($0.labels.alias, 1) }, uniquingKeysWith: +)
        reserved = Set(records.flatMap { [$0.id, $0.name].compactMap { $0 } })
    }

    /// The name it has or had in a manifest; else its alias, where that is a valid name and unique; else its id.
    func name(of instance: DesiredInstance) -> String {
        if let name = instance.name { return name }
        let alias = instance.labels.alias
        let isFree = TunnelDeclaration.isName(alias) && aliasCounts[alias] == 1 && !reserved.contains(alias)
        return isFree ? alias : instance.id
    }
}
