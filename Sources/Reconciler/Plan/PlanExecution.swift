import Tunnel

extension ReconcilePlan {
    /// Steps of one stage that run at a time; each may wait for a bind or a name.
    private static let applyLimit = 16

    /// Applies one stage, whose steps do not wait for each other.
    static func perform(_ stage: [Action], on host: any InstanceHost) async {
        await withTaskGroup(of: Void.self) { group in
            for (index, action) in stage.enumerated() {
                if index >= applyLimit { await group.next() }
                group.addTask { await action.perform(on: host) }
            }
        }
    }
}

extension ReconcilePlan.Action {
    var forgets: Bool {
        if case .remove = self { return true }
        return false
    }

    fileprivate func perform(on host: any InstanceHost) async {
        switch self {
        case .remove(let id):
            await host.remove(id)
        case .stop(let id):
            await host.stop(id)
        case .run(let desired, _, let releaseFirst):
            host.label(desired.id, desired.label)
            await host.run(desired.id, spec: desired.spec, generation: desired.generation, releaseFirst: releaseFirst)
        }
    }
}
