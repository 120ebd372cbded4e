import Reconciler

extension ReconcilePlan {
    /// Does what a reconciler does with it.
    func apply(to host: some InstanceHost) async {
        for action in actions {
            switch action {
            case .remove(let id): await host.remove(id)
            case .stop(let id): await host.stop(id)
            case .run(let desired, _, let releaseFirst):
                await host.run(
                    desired.id,
                    spec: desired.spec,
                    generation: desired.generation,
                    releaseFirst: releaseFirst
                )
            }
        }
    }
}
