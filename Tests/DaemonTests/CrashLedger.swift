import TestSupport

/// What a tunnel is like, as far as a client can tell.
struct TunnelFacts: Hashable, Sendable {
    var alias: String
    var url: String
    /// Its tag `mark`.
    var mark = ""
    var isRunning = true
    var isDeleted = false
    /// It has an override with an end.
    var expires = false

    static func url(port: Int, number: Int) -> String {
        "client://127.0.0.1:\(port)/127.0.0.1:\(1 + number % 9_000)?mode=1"
    }
}

extension TunnelFacts: CustomStringConvertible {
    var description: String {
        guard !isDeleted else { return "deleted" }
        let words = [mark.isEmpty ? nil : "marked \(mark)", isRunning ? nil : "stopped", expires ? "expiring" : nil]
        return ([alias, url] + words.compactMap(\.self)).joined(separator: " ")
    }
}

extension TunnelFacts {
    init(_ row: InstanceView) {
        alias = row.alias
        url = row.url
        mark = row.meta.tags["mark"] ?? ""
        isRunning = row.phase == "ready"
        expires = row.override?.until != nil
    }
}

/// One request that changes a tunnel.
enum TunnelMutation: Sendable {
    case alias(String)
    case mark(String)
    case start
    case stop
    case restart
    case url(String)
    case delete
    case release
}

/// What a client knows of the daemon's tunnels: from what was answered to it, and from the file it
/// has written.
///
/// A value without a daemon. A client claims a tunnel before it changes it, so that each has one
/// change under way at most: when the daemon dies, that one may have happened or not, and
/// everything else must be as it was acknowledged.
struct CrashLedger: Sendable {
    enum Key: Hashable, Comparable, Sendable {
        case declared(name: String)
        case created(id: String)
        /// Asked for and not answered yet.
        case asked(alias: String)

        var words: String {
            switch self {
            case .declared(let name): name
            case .created(let id): "created \(id)"
            case .asked(let alias): alias
            }
        }
    }

    struct Entry: Sendable {
        /// The manifest's word; nil for a tunnel that was created.
        var declared: TunnelFacts?
        /// Where a declared one listens.
        var port = 0
        /// As it was acknowledged last.
        var known: TunnelFacts
        /// As the request under way makes it.
        var pending: TunnelFacts?
        var isClaimed = false
        /// It has an override that ends within moments.
        var isBrief = false

        /// The mark that a request set and that an edit leaves, because the edit sets no other one.
        func markThatStays(over edited: TunnelFacts) -> String? {
            guard let declared, known.mark != declared.mark, known.mark != edited.mark else { return nil }
            return edited.mark.isEmpty || edited.mark == declared.mark ? known.mark : nil
        }

        /// Whether more than labels is overridden: what an expiry is for.
        func overridesState(_ facts: TunnelFacts) -> Bool {
            guard let declared else { return false }
            return facts.isDeleted || facts.isRunning != declared.isRunning || facts.url != declared.url
        }

        /// Whether the request may have an expiry; the daemon refuses one where nothing would end.
        func mayExpire(_ mutation: TunnelMutation) -> Bool {
            guard declared != nil else { return false }
            return switch mutation {
            case .alias, .mark: !overridesState(known)
            case .restart: !known.isRunning
            case .start, .stop, .url, .delete: true
            case .release: false
            }
        }

        func after(_ mutation: TunnelMutation, expires: Bool) -> TunnelFacts {
            var facts = known
            switch mutation {
            case .alias(let alias): facts.alias = alias
            case .mark(let mark): facts.mark = mark
            case .start, .restart: facts.isRunning = true
            case .stop: facts.isRunning = false
            case .url(let url):
                facts.url = url
                facts.isRunning = true
            case .delete: facts.isDeleted = true
            case .release: return declared ?? facts
            }
            switch mutation {
            case .alias, .mark: facts.expires = expires || known.expires
            case .restart where known.isRunning: break
            default: facts.expires = expires && overridesState(facts)
            }
            // An override that says what the manifest says is none.
            var lasting = facts
            lasting.expires = false
            return lasting == declared ? lasting : facts
        }
    }

    /// Declared throughout and changed with every edit, so that its alias shows which one has been
    /// applied.
    static let canary = "canary"

    var entries: [Key: Entry] = [:]
    private(set) var masterAlias = ""
    private(set) var pendingMasterAlias: String?
    /// Of every name that was ever there after a start.
    private(set) var ids: [String: String] = [:]
    var lastNumber = 0

    /// A number that was not used before, for names and targets.
    mutating func number() -> Int {
        lastNumber += 1
        return lastNumber
    }

    var createdCount: Int { entries.keys.count { if case .declared = $0 { false } else { true } } }

    /// Those that run for certain.
    var runningCount: Int {
        entries.values.count { entry in
            [entry.known, entry.pending].allSatisfy { $0.map { $0.isRunning && !$0.isDeleted } ?? true }
        }
    }

    // MARK: Requests

    mutating func claim(
        using random: inout some RandomNumberGenerator,
        where isEligible: (Entry) -> Bool
    ) -> Key? {
        let free = entries.filter { key, entry in
            !entry.isClaimed && key != .declared(name: Self.canary) && isEligible(entry)
        }
        guard let key = free.keys.sorted().randomElement(using: &random) else { return nil }
        entries[key]?.isClaimed = true
        return key
    }

    mutating func free(_ key: Key) {
        entries[key]?.isClaimed = false
    }

    mutating func begin(_ key: Key, _ mutation: TunnelMutation, expires: Bool = false) {
        guard let entry = entries[key] else { return }
        entries[key]?.pending = entry.after(mutation, expires: expires)
    }

    mutating func acknowledge(_ key: Key) {
        guard var entry = entries[key], let facts = entry.pending else { return }
        entry.known = facts
        entry.pending = nil
        entries[key] = entry.declared == nil && facts.isDeleted ? nil : entry
    }

    /// One that the daemon is asked to create; it does not exist before.
    mutating func ask(for facts: TunnelFacts) {
        var absent = facts
        absent.isDeleted = true
        entries[.asked(alias: facts.alias)] = Entry(known: absent, pending: facts, isClaimed: true)
    }

    mutating func created(_ facts: TunnelFacts, id: String) {
        entries[.asked(alias: facts.alias)] = nil
        entries[.created(id: id)] = Entry(known: facts)
    }

    mutating func beginMasterAlias(_ alias: String) {
        pendingMasterAlias = alias
    }

    mutating func acknowledgeMasterAlias() {
        masterAlias = pendingMasterAlias ?? masterAlias
        pendingMasterAlias = nil
    }

    // MARK: After a new start

    /// Compares with what the daemon shows, adopts that, and reports what cannot be.
    mutating func settle(_ rows: [InstanceView], masterAlias shown: String) -> [String] {
        var problems: [String] = []
        if shown != masterAlias, shown != pendingMasterAlias {
            problems.append("the master's alias is \(shown), \(masterAlias) was acknowledged")
        }
        (masterAlias, pendingMasterAlias) = (shown, nil)
        var unknown = rows
        for (key, entry) in entries.sorted(by: { $0.key < $1.key }) {
            let index = unknown.firstIndex { $0.belongs(to: key) }
            let row = index.map { unknown.remove(at: $0) }
            problems += settle(key, entry, row)
        }
        problems += unknown.map { "\($0.name ?? $0.id) is there and should not be: \($0.alias) \($0.url)" }
        return problems
    }

    private mutating func settle(_ key: Key, _ entry: Entry, _ row: InstanceView?) -> [String] {
        var problems: [String] = []
        var settled = entry
        let candidates = [entry.known, entry.pending].compactMap(\.self)
        let found = candidates.first { facts in row.map { TunnelFacts($0) == facts } ?? facts.isDeleted }
        settled.known = found ?? row.map { TunnelFacts($0) } ?? entry.known
        (settled.pending, settled.isClaimed, settled.isBrief) = (nil, false, false)
        if found == nil {
            let shown = row.map { "\(TunnelFacts($0)) (\($0.phase ?? ""))" } ?? "gone"
            let request = entry.pending.map { "; the request under way: \($0)" } ?? ""
            problems.append("\(key.words) is \(shown); acknowledged: \(entry.known)\(request)")
        }
        if let row, entry.declared != nil, (row.override != nil) != (settled.known != entry.declared) {
            problems.append("\(key.words) has \(row.override == nil ? "no " : "an ")override")
        }
        if let row, let name = row.name, ids.updateValue(row.id, forKey: name) ?? row.id != row.id {
            problems.append("\(key.words) has another id: \(row.id)")
        }
        entries[key] = nil
        switch (key, row) {
        case (.declared, _): entries[key] = settled
        case (_, let row?): entries[.created(id: row.id)] = settled
        case (_, nil): break
        }
        return problems
    }
}

extension InstanceView {
    fileprivate func belongs(to key: CrashLedger.Key) -> Bool {
        switch key {
        case .declared(let name): self.name == name
        case .created(let id): self.name == nil && self.id == id
        case .asked(let alias): self.name == nil && self.alias == alias
        }
    }
}
