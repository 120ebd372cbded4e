import HTTPTypes
import Hummingbird

/// The header fields that let pages of every origin read an answer, as NodePass sends them.
enum CrossOrigin {
    /// NodePass's four names, byte for byte.
    private static let allowedNames = ["Content-Type", "Authorization", "X-API-Key", "Cache-Control"]
    /// Names of ours, which only a preflight that asks for them gets to see.
    private static let ownNames = ["If-Match", "Last-Event-ID"]

    /// Adds the fields to an answer.
    ///
    /// `asked` is what a preflight says it will send.
    static func add(to fields: inout HTTPFields, asked: String? = nil) {
        fields[.accessControlAllowOrigin] = "*"
        fields[.accessControlAllowMethods] = "GET, PATCH, POST, PUT, DELETE, OPTIONS"
        fields[.accessControlAllowHeaders] = names(asked: asked).joined(separator: ", ")
        fields[.accessControlExposeHeaders] = "ETag, Retry-After"
    }

    private static func names(asked: String?) -> [String] {
        guard let asked else { return allowedNames }
        let wanted = Set(asked.lowercased().split { $0 == "," || $0 == " " }.map(String.init))
        return allowedNames + ownNames.filter { wanted.contains($0.lowercased()) }
    }
}

/// Puts the fields on every answer of the router, and answers preflights of every path without
/// asking for a key.
struct CrossOriginMiddleware: RouterMiddleware {
    func handle(
        _ request: Request,
        context: APIRequestContext,
        next: @concurrent (Request, APIRequestContext) async throws -> Response
    ) async throws -> Response {
        var response = request.method == .options ? Response(status: .ok) : try await next(request, context)
        CrossOrigin.add(to: &response.headers, asked: request.headers[.accessControlRequestHeaders])
        return response
    }
}
