import Config
import Reconciler
import TestSupport

/// What happens to a desired state, by a person, a program or time.
enum DesiredStep: Sendable {
    /// A manifest with these tunnels; nil is a declaration that does not hold.
    case declare([String: DeclaredTunnel?], ManifestPolicy, prune: Bool)
    /// A manifest that does not read.
    case reject
    case patch(String, InstancePatch)
    case replace(String, port: Int)
    case delete(String)
    case release(String)
    case wait(seconds: Int)
    /// What was to go has gone.
    case forgetDeparted
    /// The daemon starts again, on what its store holds.
    case restart

    static let names = ["db", "mail", "web"]
}

/// What a manifest, and whoever overrides it, can say of a tunnel here.
struct DeclaredTunnel: Sendable, Hashable {
    var port: Int
    var isRunning = true
    /// Empty means the name.
    var alias = ""

    var text: String {
        let more = "state: \(isRunning ? "running" : "stopped")" + (alias.isEmpty ? "" : ", alias: \(alias)")
        return client(port, more)
    }
}

extension DesiredStep {
    static func random(using random: inout SeededRandom) -> DesiredStep {
        let name = random.pick(names)
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<7: return declaration(using: &random)
        case 7: return .reject
        case 8..<12: return .patch(name, patch(using: &random))
        case 12: return .replace(name, port: random.port())
        case 13: return .delete(name)
        case 14: return .release(name)
        case 15..<17: return .wait(seconds: random.pick([1, 30, 90]))
        case 17, 18: return .forgetDeparted
        default: return .restart
        }
    }

    private static func declaration(using random: inout SeededRandom) -> DesiredStep {
        var tunnels: [String: DeclaredTunnel?] = [:]
        for name in names where random.chance(5, in: 6) {
            let tunnel = DeclaredTunnel(
                port: random.port(),
                isRunning: random.chance(4, in: 5),
                alias: random.chance(1, in: 5) ? "spoken" : ""
            )
            tunnels.updateValue(random.chance(1, in: 6) ? nil : tunnel, forKey: name)
        }
        var policy = ManifestPolicy()
        policy.overridesAllowed = random.chance(7, in: 8)
        policy.overrideTTL = random.chance(1, in: 3) ? .seconds(60) : .zero
        policy.prune = random.chance(2, in: 3)
        return .declare(tunnels, policy, prune: random.chance(7, in: 8))
    }

    private static func patch(using random: inout SeededRandom) -> InstancePatch {
        InstancePatch(
            alias: random.chance(1, in: 3) ? random.pick(["spoken", "mine"]) : nil,
            action: random.pick([nil, .start, .stop, .stop, .restart, .reset]),
            autostart: random.chance(1, in: 4) ? random.chance(1, in: 2) : nil
        )
    }

    /// The manifest a `declare` reads.
    static func reading(_ tunnels: [String: DeclaredTunnel?], _ policy: ManifestPolicy) -> ManifestReading {
        let overrides = policy.overridesAllowed ? "allow" : "deny"
        let ttl = policy.overrideTTL == .zero ? "0s" : "60s"
        var text = "version: 1\npolicy: {overrides: \(overrides), overrideTTL: \(ttl), prune: \(policy.prune)}\n"
        text += tunnels.isEmpty ? "tunnels: {}\n" : "tunnels:\n"
        for (name, tunnel) in tunnels.sorted(by: { $0.key < $1.key }) {
            text += "  \(name): {\(tunnel?.text ?? "role: nobody")}\n"
        }
        return ReconcilerTests.reading(text)
    }
}

extension SeededRandom {
    /// Few, so that an edit is often no edit.
    fileprivate mutating func port() -> Int { pick([9001, 9002, 9003]) }
}

// MARK: - Shrinking

extension DesiredStep {
    /// Sequences with a step less, or a plainer one.
    static func simpler(_ steps: [DesiredStep]) -> [[DesiredStep]] {
        let halves = [Array(steps.prefix(steps.count / 2)), Array(steps.suffix(steps.count / 2))]
        let fewer = steps.indices.map { index in steps.enumerated().filter { $0.offset != index }.map(\.element) }
        let plainer = steps.indices.flatMap { index in
            steps[index].plainer.map { plain in
                var copy = steps
                copy[index] = plain
                return copy
            }
        }
        return (steps.count > 3 ? halves : []) + fewer + plainer
    }

    private var plainer: [DesiredStep] {
        switch self {
        case .declare(let tunnels, let policy, let prune):
            let fewer = tunnels.keys.sorted().map { name in
                DesiredStep.declare(tunnels.filter { $0.key != name }, policy, prune: prune)
            }
            let plain = policy == ManifestPolicy() && prune ? [] : [DesiredStep.declare(tunnels, .init(), prune: true)]
            return fewer + plain
        case .patch(let name, let patch):
            let actionAlone = InstancePatch(action: patch.action)
            return actionAlone == patch ? [] : [.patch(name, actionAlone)]
        default: return []
        }
    }
}

extension DesiredStep: CustomStringConvertible {
    var description: String {
        switch self {
        case .declare(let tunnels, let policy, let prune):
            "declare "
                + tunnels.sorted { $0.key < $1.key }.map { name, tunnel in
                    guard let tunnel else { return "\(name) invalid" }
                    return "\(name) :\(tunnel.port)\(tunnel.isRunning ? "" : " stopped") \(tunnel.alias)"
                }.joined(separator: ", ")
                + " (overrides \(policy.overridesAllowed), ttl \(policy.overrideTTL), prune \(policy.prune && prune))"
        case .reject: "declare nothing that reads"
        case .patch(let name, let patch):
            "patch \(name): \(patch.action?.rawValue ?? "-"), alias \(patch.alias ?? "-"), "
                + "autostart \(patch.autostart.map { "\($0)" } ?? "-")"
        case .replace(let name, let port): "replace \(name) :\(port)"
        case .delete(let name): "delete \(name)"
        case .release(let name): "release \(name)"
        case .wait(let seconds): "wait \(seconds) s"
        case .forgetDeparted: "what departs is gone"
        case .restart: "restart"
        }
    }
}
