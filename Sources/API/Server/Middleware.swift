import Config
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Reconciler

/// The router's outermost layer: what is no route, and what a HEAD may answer.
struct UnroutedMiddleware: RouterMiddleware {
    /// The collection itself, the one path where v1.14 answers a trailing slash with an error of its own.
    let collectionPaths: Set<String>

    func handle(
        _ request: Request,
        context: APIRequestContext,
        next: @concurrent (Request, APIRequestContext) async throws -> Response
    ) async throws -> Response {
        var response: Response
        do {
            response = isRoutable(request.uri.path) ? try await next(request, context) : Self.notFound
        } catch let error as HTTPError where error.status == .notFound {
            response = Self.notFound
        }
        if request.method == .head { response = response.createHeadResponse() }
        return response
    }

    /// The router reads `/a//b/` as `/a/b`; v1.14 does not.
    private func isRoutable(_ path: String) -> Bool {
        if path == "/" || collectionPaths.contains(path) { return true }
        return !path.hasSuffix("/") && !path.contains("//")
    }

    /// Byte for byte what Go's server says, which clients tell from an answer of ours.
    static var notFound: Response {
        var response = Response.text("404 page not found\n")
        response.status = .notFound
        response.headers[.xContentTypeOptions] = "nosniff"
        return response
    }
}

/// Puts the CORS fields on every routed answer, and answers preflights without asking for a key.
struct CORSHeaders: RouterMiddleware {
    func handle(
        _ request: Request,
        context: APIRequestContext,
        next: @concurrent (Request, APIRequestContext) async throws -> Response
    ) async throws -> Response {
        var response = request.method == .options ? Response(status: .ok) : try await next(request, context)
        response.headers[.accessControlAllowOrigin] = "*"
        response.headers[.accessControlAllowMethods] = "GET, PATCH, POST, PUT, DELETE, OPTIONS"
        response.headers[.accessControlAllowHeaders] = allowedHeaders(
            asked: request.headers[.accessControlRequestHeaders]
        )
        response.headers[.accessControlExposeHeaders] = "ETag, Retry-After"
        return response
    }

    /// NodePass's four names, to the byte; a preflight that asks for one of ours is told of it too.
    private func allowedHeaders(asked: String?) -> String {
        let asked = Set((asked ?? "").lowercased().split { $0 == "," || $0 == " " }.map(String.init))
        let ours = ["If-Match", "Last-Event-ID"].filter { asked.contains($0.lowercased()) }
        return (["Content-Type", "Authorization", "X-API-Key", "Cache-Control"] + ours).joined(separator: ", ")
    }
}

/// Turns every error of a handler into an answer: the one place where domain errors meet HTTP.
struct ErrorResponses: RouterMiddleware {
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
            return APIError(error).response
        } catch let error as StateStoreError {
            return APIError(MutationError.storage(error)).response
        } catch is EventHub.TooManySubscribers {
            return APIError.tooManySubscribers.response
        } catch is NIOTooManyBytesError {
            return APIError.bodyTooLarge(limitBytes: APILimits.bodyBytes).response
        } catch let error as HTTPError {
            return APIError(error.status, "http", error.body ?? error.status.reasonPhrase).response
        } catch {
            context.logger.error("Request failed", metadata: ["path": "\(request.uri.path)", "error": "\(error)"])
            return APIError.internalError.response
        }
    }
}
