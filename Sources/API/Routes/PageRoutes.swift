import Config
import Crypto
import HTTPTypes
import Hummingbird
import NIOCore

/// The dashboard, the documentation and what they load: all of it in the binary, none of it behind the key.
///
/// The pages hold nothing secret; what they show they ask the API for, with the key that their reader typed.
struct PageRoutes: Sendable {
    /// `/api/v1`: where the pages find the API.
    private let base: String

    init(base: String) {
        self.base = base
    }

    /// `/`, outside the prefix.
    var dashboard: Resource {
        page("/", id: "dashboard", summary: "The dashboard", PackageResources.dashboard_html)
    }

    /// `/docs`, below the prefix.
    var documentation: Resource {
        page("/docs", id: "getDocs", summary: "A page to read and try the API", PackageResources.docs_html)
    }

    /// The scripts and styles of both pages, outside the prefix; no part of the API, so none of its document.
    static let assets = [
        script("actions", PackageResources.actions_js), script("api", PackageResources.api_js),
        script("create", PackageResources.create_js), script("dashboard", PackageResources.dashboard_js),
        script("docs", PackageResources.docs_js), script("dom", PackageResources.dom_js),
        script("feed", PackageResources.feed_js), script("fleet", PackageResources.fleet_js),
        script("format", PackageResources.format_js), script("log", PackageResources.log_js),
        script("overlay", PackageResources.overlay_js), script("plan", PackageResources.plan_js),
        script("plot", PackageResources.plot_js), script("row", PackageResources.row_js),
        script("schema", PackageResources.schema_js), script("series", PackageResources.series_js),
        script("stream", PackageResources.stream_js), script("table", PackageResources.table_js),
        script("theme", PackageResources.theme_js), script("tunnel", PackageResources.tunnel_js),
        script("verdict", PackageResources.verdict_js),
        style("dashboard", PackageResources.dashboard_css), style("docs", PackageResources.docs_css),
        style("style", PackageResources.style_css),
    ]

    private func page(_ path: String, id: String, summary: String, _ template: [UInt8]) -> Resource {
        let text = String(decoding: template, as: UTF8.self).replacing("{{api}}", with: base)
        let file = EmbeddedFile(Array(text.utf8), type: "text/html", policy: Self.contentPolicy)
        return Self.resource(path, id: id, summary: summary, type: "text/html", file)
    }

    private static func script(_ name: String, _ bytes: [UInt8]) -> Resource {
        asset("/\(name).js", type: "text/javascript", bytes)
    }

    private static func style(_ name: String, _ bytes: [UInt8]) -> Resource {
        asset("/\(name).css", type: "text/css", bytes)
    }

    private static func asset(_ path: String, type: String, _ bytes: [UInt8]) -> Resource {
        resource(path, id: path, summary: "A part of the pages", type: type, EmbeddedFile(bytes, type: type))
    }

    private static func resource(
        _ path: String,
        id: String,
        summary: String,
        type: String,
        _ file: EmbeddedFile
    ) -> Resource {
        Resource(
            path: path,
            tag: .pages,
            access: .open,
            operations: [
                Operation(
                    method: .get,
                    id: id,
                    summary: summary,
                    parameters: [
                        .init(name: "If-None-Match", text: "The ETag of what the reader has", place: "header")
                    ],
                    answers: [
                        .init(status: 200, text: "Its text", type: type, headers: [.fileTag]),
                        .init(status: 304, text: "The reader has it", headers: [.fileTag]),
                    ]
                ) { request, _ in file.answer(to: request) }
            ]
        )
    }

    /// Nothing but what this daemon serves may be loaded, and `data:` images, the icons of the style sheets.
    ///
    /// A page runs no script that is written in it, sends no form, and can be framed by nobody.
    private static let contentPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

/// A file of the binary, ready to be sent: asked again with its tag, it answers that it has not changed.
private struct EmbeddedFile: Sendable {
    private let body: ByteBuffer
    private let headers: HTTPFields
    private let tag: String

    init(_ bytes: [UInt8], type: String, policy: String? = nil) {
        body = ByteBuffer(bytes: bytes)
        tag = "\"\(Hex.text(SHA256.hash(data: bytes).prefix(8)))\""
        var headers: HTTPFields = [
            .contentType: "\(type); charset=utf-8", .xContentTypeOptions: "nosniff", .eTag: tag,
            // Another version of the daemon has other files under the same names.
            .cacheControl: "no-cache",
        ]
        headers[.contentSecurityPolicy] = policy
        headers[.referrerPolicy] = policy.map { _ in "no-referrer" }
        self.headers = headers
    }

    func answer(to request: Request) -> Response {
        guard request.headers[.ifNoneMatch] != tag else { return Response(status: .notModified, headers: headers) }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: body))
    }
}

extension Operation.Header {
    fileprivate static let fileTag = Operation.Header(
        name: "ETag",
        text: "Names this text; `If-None-Match` takes it",
        schema: Schema.etag
    )
}

extension HTTPField.Name {
    /// `Referrer-Policy`; the name is a constant, so the fallback is never taken.
    fileprivate static let referrerPolicy = HTTPField.Name("Referrer-Policy") ?? .cacheControl
}
