import Hummingbird
import Logging
import NIOCore
import Reconciler

/// Turns every error of a handler into an answer: the one place where domain errors become HTTP.
struct ErrorResponses: RouterMiddleware {
    /// Where faults are logged, thinned; one for all routes.
    let failures: FailureLog

    func handle(
        _ request: Request,
        context: APIRequestContext,
        next: @concurrent (Request, APIRequestContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as APIError {
            return error.response
        } catch let error as MutationError {
            if case .storage = error { failures.note(request, error) }
            return APIError(error).response
        } catch let error as StateStoreError {
            failures.note(request, error)
            return APIError(MutationError.storage(error)).response
        } catch is EventHub.TooManySubscribers {
            return APIError.tooManySubscribers.response
        } catch is NIOTooManyBytesError {
            return APIError.bodyTooLarge(limitBytes: APILimits.bodyBytes).response
        } catch let error as HTTPError {
            return APIError(error.status, "http", error.body ?? error.status.reasonPhrase).response
        } catch {
            failures.note(request, error)
            return APIError.internalError.response
        }
    }
}
