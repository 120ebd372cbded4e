/// An edit of the manifest: the text, and what it says about the tunnels it changes.
struct ManifestEdit: Sendable {
    struct Declaration: Sendable {
        let port: Int
        let facts: TunnelFacts
    }

    /// The canary's alias is `edit-` and this number.
    let number: Int
    let text: String
    /// Nil for a tunnel that leaves.
    let changes: [String: Declaration?]

    /// A part of the text, as it is in a file that is being written; never a manifest by itself.
    func beginning(_ fraction: Double) -> String {
        // The text is one mapping in braces: without the last one it cannot be read.
        let length = Int(Double(text.utf8.count - 2) * fraction)
        return String(decoding: text.utf8.prefix(length), as: UTF8.self)
    }
}

extension CrashLedger {
    private static let names = (0..<24).map { "web-\($0)" }
    private static let changesPerEdit = 1...3

    /// The ports that declared tunnels listen on, and no one of them twice.
    static let portCount = names.count + 1

    /// The first manifest, which nobody has read yet.
    static func first(ports: [Int], using random: inout some RandomNumberGenerator) -> (CrashLedger, text: String) {
        var ledger = CrashLedger()
        for name in names.prefix(names.count / 2) {
            ledger.declare(name, ledger.declaration(on: ports, using: &random))
        }
        ledger.declare(canary, ledger.declaration(on: ports, using: &random))
        return (ledger, ledger.manifest())
    }

    /// Plans a few changes of declared tunnels and claims those.
    mutating func draft(on ports: [Int], using random: inout some RandomNumberGenerator) -> ManifestEdit {
        var next = self
        var changes: [String: ManifestEdit.Declaration?] = [:]
        for _ in 0..<Int.random(in: Self.changesPerEdit, using: &random) {
            let present = next.unclaimed.filter { changes[$0] == nil }.randomElement(using: &random)
            let absent = Self.names.filter { next.entries[.declared(name: $0)] == nil && changes[$0] == nil }
                .randomElement(using: &random)
            switch (Int.random(in: 0..<6, using: &random), present, absent) {
            case (0, _, let name?):
                changes[name] = next.declaration(on: ports, using: &random)
            case (1, let name?, _):
                changes[name] = .some(nil)
            case (2, let old?, let new?):
                // Under another name it takes over the port, in the same edit.
                changes[new] = next.declaration(on: [next.entries[.declared(name: old)]?.port ?? 0], using: &random)
                changes[old] = .some(nil)
            case (_, let name?, _):
                changes[name] = next.declaration(on: [next.entries[.declared(name: name)]?.port ?? 0], using: &random)
            default: continue
            }
            next.take(changes)
        }
        let number = next.number()
        let port = next.entries[.declared(name: Self.canary)]?.port ?? 0
        let sign = TunnelFacts(alias: "edit-\(number)", url: TunnelFacts.url(port: port, number: number))
        changes[Self.canary] = ManifestEdit.Declaration(port: port, facts: sign)
        next.take(changes)
        lastNumber = next.lastNumber
        for name in changes.keys { entries[.declared(name: name)]?.isClaimed = true }
        return ManifestEdit(number: number, text: next.manifest(), changes: changes)
    }

    /// From here on the text is in the file: whatever happens to the daemon, it will go by it.
    mutating func commit(_ edit: ManifestEdit) {
        take(edit.changes)
    }

    mutating func finish(_ edit: ManifestEdit) {
        for name in edit.changes.keys { free(.declared(name: name)) }
    }

    private mutating func take(_ changes: [String: ManifestEdit.Declaration?]) {
        for (name, declaration) in changes {
            if let declaration {
                declare(name, declaration)
                entries[.declared(name: name)]?.isClaimed = true
            } else {
                entries[.declared(name: name)] = nil
            }
        }
    }

    private mutating func declare(_ name: String, _ declaration: ManifestEdit.Declaration) {
        let (port, facts) = (declaration.port, declaration.facts)
        let key = Key.declared(name: name)
        var known = facts
        if let former = entries[key], let mark = former.markThatStays(over: facts) {
            known.mark = mark
            known.expires = former.known.expires && !former.overridesState(former.known)
        }
        entries[key] = Entry(declared: facts, port: port, known: known)
    }

    private mutating func declaration(
        on ports: [Int],
        using random: inout some RandomNumberGenerator
    ) -> ManifestEdit.Declaration {
        let number = number()
        let taken = Set(entries.values.compactMap { $0.declared == nil ? nil : $0.port })
        let port = (ports.count == 1 ? ports : ports.filter { !taken.contains($0) }).randomElement(using: &random) ?? 0
        var facts = TunnelFacts(alias: "declared-\(number)", url: TunnelFacts.url(port: port, number: number))
        facts.mark = ["", "blue", "green"].randomElement(using: &random) ?? ""
        facts.isRunning = Int.random(in: 0..<5, using: &random) > 0
        return ManifestEdit.Declaration(port: port, facts: facts)
    }

    private var declared: [(name: String, facts: TunnelFacts)] {
        entries.sorted { $0.key < $1.key }.compactMap { key, entry in
            guard case .declared(let name) = key, let facts = entry.declared else { return nil }
            return (name, facts)
        }
    }

    private var unclaimed: [String] {
        declared.map(\.name).filter { $0 != Self.canary && entries[.declared(name: $0)]?.isClaimed == false }
    }

    private func manifest() -> String {
        let tunnels = declared.map { name, facts in
            let tags = facts.mark.isEmpty ? "" : ", tags: {mark: \(facts.mark)}"
            let state = facts.isRunning ? "" : ", state: stopped"
            return "  \(name): {url: \"\(facts.url)\", alias: \(facts.alias)\(tags)\(state)},\n"
        }
        return "{version: 1, tunnels: {\n\(tunnels.joined())}}\n"
    }
}
