import Hummingbird
import Reconciler

/// Finding what a path names.
extension TunnelReconciler {
    /// The instance that a request's path names.
    nonisolated func instance(of context: APIRequestContext) async throws -> Instance {
        guard let instance = await instance(context.instanceID) else { throw APIError.instanceNotFound }
        return instance
    }

    /// Throws where there is no such row; the key's is there for every method.
    nonisolated func requireRow(_ context: APIRequestContext) async throws {
        guard context.instanceID != KeyView.id else { return }
        _ = try await instance(of: context)
    }
}
