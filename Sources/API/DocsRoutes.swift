import Config
import HTTPTypes
import Hummingbird

/// `/openapi.json` and `/docs`: the API described by itself, readable without a key and without the internet.
struct DocsRoutes: Sendable {
    /// Rendered once; the document does not change while the daemon runs.
    let document: String

    var resources: [Resource] {
        let page = Operation.Answer(status: 200, text: "HTML", type: "text/html")
        return [
            Resource(
                path: "/openapi.json",
                access: .open,
                operations: [
                    Operation(
                        method: .get,
                        id: "getOpenAPI",
                        summary: "This description",
                        answers: [.init(status: 200, text: "OpenAPI 3.1", schema: .object(["type": "object"]))]
                    ) { _, _ in .text(document, type: "application/json") }
                ]
            ),
            Resource(
                path: "/docs",
                access: .open,
                operations: [
                    Operation(method: .get, id: "getDocs", summary: "A page to read and try the API", answers: [page]) {
                        _,
                        _ in .page(DocsPage.html)
                    }
                ]
            ),
            asset("/docs/app.js", id: "getDocsScript", type: "text/javascript", text: DocsPage.script),
            asset("/docs/style.css", id: "getDocsStyle", type: "text/css", text: DocsPage.style),
        ]
    }

    private func asset(_ path: String, id: String, type: String, text: String) -> Resource {
        Resource(
            path: path,
            access: .open,
            operations: [
                Operation(
                    method: .get,
                    id: id,
                    summary: "A part of the documentation page",
                    answers: [.init(status: 200, text: "Its text", type: type)]
                ) { _, _ in .text(text, type: "\(type); charset=utf-8") }
            ]
        )
    }
}

extension Response {
    /// A page that may load nothing but its own files, and that no other page may frame.
    static func page(_ html: String) -> Response {
        var response = Response.text(html, type: "text/html; charset=utf-8")
        response.headers[.contentSecurityPolicy] =
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
            + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        response.headers[.xContentTypeOptions] = "nosniff"
        return response
    }
}
