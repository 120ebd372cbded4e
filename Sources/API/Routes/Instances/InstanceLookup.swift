import Hummingbird
import Reconciler

/// The instance that a request's path names.
extension TunnelReconciler {
    /// The instance that a request's path names.
    nonisolated func instance(of context: APIRequestContext) async throws -> Instance {
        guard let instance = await instance(context.instanceID) else { throw APIError.instanceNotFound }
        return instance
    }

    /// Throws if the row does not exist; the API key's row always exists.
    nonisolated func requireRow(_ context: APIRequestContext) async throws {
        guard context.instanceID != KeyView.id else { return }
        _ = try await instance(of: context)
    }
}
