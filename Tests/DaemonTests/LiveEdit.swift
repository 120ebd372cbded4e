import TestSupport

/// One edit of the manifest: the lanes it changes, and what that may do to their users.
struct LiveEdit: Sendable {
    struct Change: Sendable {
        var lane: LiveLane
        var effects: LiveEffects = []
        var what = "labels"
    }

    /// Lanes of one edit.
    private static let lanesAtOnce = 1...3
    /// Lanes that are stopped or removed at a time.
    private static let closedLimit = 5

    let number: Int
    private(set) var changes: [Change] = []

    init(
        number: Int,
        of lanes: [LiveLane],
        servers: Int,
        using random: inout some RandomNumberGenerator
    ) throws {
        self.number = number
        let open = lanes.filter(\.isOpen).shuffled(using: &random)
        let closed = lanes.filter { !$0.isOpen }.shuffled(using: &random)
        let some = Int.random(in: Self.lanesAtOnce, using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0:
            changes = open.prefix(some).map { Change(lane: $0) }
        case 1...3:
            changes = open.prefix(some).map { Self.live($0, servers: servers, &random) }
        case 4:
            changes = open.filter(\.isPair).prefix(some).map { Self.session($0, &random) }
        case 5:
            changes = open.prefix(some).map { Self.session($0, &random) }
        case 6:
            changes = try open.prefix(some).map { try Self.rebind($0, &random) }
        case 7:
            changes = try Self.exchange(Array(open.filter { $0.kind == .single }.prefix(some + 1)), &random)
        case 8,
            9 where closed.count < Self.closedLimit && Bool.random(using: &random):
            changes = open.prefix(some).map { Self.close($0, removing: Bool.random(using: &random)) }
        default:
            changes = closed.prefix(some).map(Self.open)
        }
        if changes.isEmpty { changes = open.prefix(some).map { Change(lane: $0) } }
        for index in changes.indices {
            changes[index].lane.edit = number
            changes[index].lane.alias = "\(number)"
        }
    }

    private static func live(_ lane: LiveLane, servers: Int, _ random: inout some RandomNumberGenerator) -> Change {
        var change = Change(lane: lane)
        switch Int.random(in: 0..<7, using: &random) {
        case 0: change.lane.rate = [0, 50, 200, 1000].randomElement(using: &random) ?? 0
        case 1: change.lane.connections = Int.random(in: 100...65_536, using: &random)
        case 2: change.lane.drain = Int.random(in: 30...90, using: &random)
        case 3: change.lane.log = ["none", "info", "warn", "error"].randomElement(using: &random) ?? "info"
        case 4:
            let rules = ["{}", "{allow: [127.0.0.0/8]}", "{deny: [10.0.0.0/8]}"]
            change.lane.access = rules.randomElement(using: &random) ?? "{}"
        default:
            change.lane.server = (lane.server + Int.random(in: 1..<servers, using: &random)) % servers
            change.effects = .retargets
        }
        change.what = "a live field"
        return change
    }

    private static func session(_ lane: LiveLane, _ random: inout some RandomNumberGenerator) -> Change {
        var change = Change(lane: lane, effects: lane.isPair ? [.cuts, .drains] : .drains)
        switch (lane.isPair, Int.random(in: 0..<3, using: &random)) {
        case (true, 0):
            change.lane.key += 1
            change.what = "another key"
        case (true, 1):
            change.lane.isEncrypted.toggle()
            change.what = "tls"
        default:
            change.lane.carriesEverything.toggle()
            change.what = "protocols"
        }
        return change
    }

    private static func rebind(_ lane: LiveLane, _ random: inout some RandomNumberGenerator) throws -> Change {
        var change = Change(lane: lane, effects: [.cuts, .drains])
        if lane.isPair, Bool.random(using: &random) {
            change.lane.meeting = try FreePorts.one()
            change.what = "another port between its ends"
        } else {
            change.lane.entry = try FreePorts.one()
            change.effects.insert(.refuses)
            change.what = "port \(change.lane.entry)"
        }
        return change
    }

    /// Each takes the next one's port; the last one takes the first one's, or a new one.
    private static func exchange(
        _ lanes: [LiveLane],
        _ random: inout some RandomNumberGenerator
    ) throws -> [Change] {
        guard lanes.count > 1 else { return [] }
        let last = Bool.random(using: &random) ? lanes[0].entry : try FreePorts.one()
        return zip(lanes, lanes.dropFirst().map(\.entry) + [last]).map { lane, entry in
            var change = Change(lane: lane, effects: [.refuses, .drains, .handsOver], what: "handed port \(entry)")
            change.lane.entry = entry
            return change
        }
    }

    private static func close(_ lane: LiveLane, removing: Bool) -> Change {
        let what = removing ? "removed" : "stopped"
        var change = Change(lane: lane, effects: [.refuses, .cuts, .drains], what: what)
        change.lane.isRunning = removing
        change.lane.isDeclared = !removing
        return change
    }

    private static func open(_ lane: LiveLane) -> Change {
        let what = lane.isDeclared ? "started" : "added"
        var change = Change(lane: lane, effects: [.refuses, .cuts, .drains], what: what)
        change.lane.isRunning = true
        change.lane.isDeclared = true
        return change
    }
}

extension LiveEdit: CustomStringConvertible {
    var description: String {
        let words = changes.map { "\($0.lane.names[0]) (\($0.lane.kind)): \($0.what)" }
        return "edit \(number): \(words.joined(separator: ", "))"
    }
}
