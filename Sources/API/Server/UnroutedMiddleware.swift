import HTTPTypes
import Hummingbird

/// Answers for paths that no route has, and cuts the body from every answer to a HEAD.
struct UnroutedMiddleware: RouterMiddleware {
    /// The collection itself, the one path where v1.14 answers a trailing slash with an error of
    /// its own.
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

    /// Byte for byte the answer of Go's server, by which clients know that no route exists.
    static var notFound: Response {
        var response = Response.text("404 page not found\n")
        response.status = .notFound
        response.headers[.xContentTypeOptions] = "nosniff"
        return response
    }
}
