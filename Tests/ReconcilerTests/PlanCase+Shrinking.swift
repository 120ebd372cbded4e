import Config
import Tunnel

extension PlanCase {
    /// Simpler cases that can still be asked for: first with fewer tunnels, then with plainer ones.
    var simpler: [PlanCase] {
        (fewer + plainer).filter(\.isFair)
    }

    private var fewer: [PlanCase] {
        let ids = Set((before + after).map(\.id)).sorted()
        var cases = ids.map { id in
            PlanCase(before: before.filter { $0.id != id }, after: after.filter { $0.id != id }, occupied: occupied)
        }
        for index in before.indices { cases.append(with { $0.before.remove(at: index) }) }
        for index in after.indices { cases.append(with { $0.after.remove(at: index) }) }
        for address in occupied { cases.append(with { $0.occupied.remove(address) }) }
        return cases
    }

    private var plainer: [PlanCase] {
        var cases: [PlanCase] = []
        for (index, tunnel) in before.enumerated() {
            cases += tunnel.plainer.map { plain in with { $0.before[index] = plain } }
        }
        for (index, tunnel) in after.enumerated() {
            cases += tunnel.plainer.map { plain in with { $0.after[index] = plain } }
        }
        return cases + sameInBoth
    }

    /// A field that is plain on both sides at once, so that it does not become a change.
    private var sameInBoth: [PlanCase] {
        before.indices.flatMap { index in
            before[index].plainer.compactMap { plain in
                guard let twin = after.firstIndex(where: { $0.id == plain.id }) else { return nil }
                guard after[twin].spec == before[index].spec else { return nil }
                return with { both in
                    both.before[index] = plain
                    both.after[twin].spec = plain.spec
                    both.after[twin].generation = plain.generation
                }
            }
        }
    }

    private func with(_ change: (inout PlanCase) -> Void) -> PlanCase {
        var copy = self
        change(&copy)
        return copy
    }
}

extension WorldTunnel {
    /// Each differs from this one in a single respect, and none can be made from its own plainer forms.
    fileprivate var plainer: [WorldTunnel] {
        let plain = TunnelSpec(role: .client, tunnel: spec.tunnel, targets: [Endpoint(host: "10.0.0.7", port: 80)])
        var forms: [WorldTunnel] = [
            with { $0.former = nil },
            with { $0.generation = 0 },
            with { $0.state = .running },
            with { tunnel in
                tunnel.spec = plain
                tunnel.spec.mode = .one
            },
            with { $0.spec.targets = Array($0.spec.targets.prefix(1)) },
            with { $0.spec.key = nil },
            with { $0.spec.rateMbps = 0 },
            with { $0.spec.drain = plain.drain },
            with { $0.spec.protocols = plain.protocols },
        ]
        if spec.targets[0].host != plain.targets[0].host {
            forms.append(with { $0.spec.targets[0].host = "127.0.0.1" })
        }
        if spec.tunnel != PlanCase.forwardServer, spec.tunnel != PlanCase.reverseServer {
            forms.append(with { $0.spec.tunnel.host = "127.0.0.1" })
        }
        return forms.filter { $0 != self }
    }

    private func with(_ change: (inout WorldTunnel) -> Void) -> WorldTunnel {
        var copy = self
        change(&copy)
        return copy
    }
}
