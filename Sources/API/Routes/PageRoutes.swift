import Config
import HTTPTypes
import Hummingbird

/// The dashboard, the documentation and what they load: all of it in the binary, none of it behind
/// the key.
///
/// The pages hold nothing secret. They get what they show from the API, with the key that their
/// reader types.
struct PageRoutes: Sendable {
    /// `/api/v1`: where the pages find the API, below what a reverse proxy puts before it.
    private let base: String

    init(base: String) {
        self.base = base
    }

    /// `/`, outside the prefix.
    var dashboard: Resource {
        page("/", id: "dashboard", summary: "The dashboard", PackageResources.dashboard_html, root: "")
    }

    /// `/docs`, below the prefix.
    var documentation: Resource {
        page(
            "/docs",
            id: "getDocs",
            summary: "The documentation, a page to read and try the API",
            PackageResources.docs_html,
            root: String(repeating: "../", count: base.split(separator: "/").count)
        )
    }

    /// The scripts and styles of both pages, outside the prefix, in the folders of `Resources`.
    ///
    /// They are not operations of the API, so its document does not list them.
    static let assets =
        scripts(
            in: "shared",
            [
                "api": PackageResources.api_js, "dom": PackageResources.dom_js, "format": PackageResources.format_js,
                "overlay": PackageResources.overlay_js, "plot": PackageResources.plot_js,
                "series": PackageResources.series_js, "stream": PackageResources.stream_js,
                "theme": PackageResources.theme_js,
            ]
        )
        + scripts(
            in: "dashboard",
            [
                "actions": PackageResources.actions_js, "create": PackageResources.create_js,
                "dashboard": PackageResources.dashboard_js, "feed": PackageResources.feed_js,
                "fields": PackageResources.fields_js, "help": PackageResources.help_js,
                "fleet": PackageResources.fleet_js, "log": PackageResources.log_js, "plan": PackageResources.plan_js,
                "row": PackageResources.row_js, "table": PackageResources.table_js,
                "tunnel": PackageResources.tunnel_js, "verdict": PackageResources.verdict_js,
            ]
        )
        + scripts(in: "docs", ["docs": PackageResources.docs_js, "schema": PackageResources.schema_js])
        + [
            style("shared/style", PackageResources.style_css),
            style("dashboard/dashboard", PackageResources.dashboard_css),
            style("docs/docs", PackageResources.docs_css),
        ]

    /// `root` is the way from the page to `/`, so that it works below any path; a proxy may say with
    /// `X-Forwarded-Prefix` which that is.
    private func page(_ path: String, id: String, summary: String, _ template: [UInt8], root: String) -> Resource {
        let text = String(decoding: template, as: UTF8.self).replacing("{{api}}", with: base)
            .replacing("{{path}}", with: base.drop { $0 == "/" })
        let file = Self.file(text, root: root)
        return Self.resource(path, id: id, summary: summary, type: "text/html") { request in
            guard let prefix = request.forwardedPrefix else { return file.answer(to: request) }
            return Self.file(text, root: prefix + "/").answer(to: request)
        }
    }

    private static func file(_ text: String, root: String) -> EmbeddedFile {
        let bytes = Array(text.replacing("{{root}}", with: root).utf8)
        return EmbeddedFile(bytes, type: "text/html", policy: contentPolicy)
    }

    private static func scripts(in folder: String, _ files: KeyValuePairs<String, [UInt8]>) -> [Resource] {
        files.map { asset("/\(folder)/\($0.key).js", type: "text/javascript", $0.value) }
    }

    private static func style(_ name: String, _ bytes: [UInt8]) -> Resource {
        asset("/\(name).css", type: "text/css", bytes)
    }

    private static func asset(_ path: String, type: String, _ bytes: [UInt8]) -> Resource {
        let file = EmbeddedFile(bytes, type: type)
        return resource(path, id: path, summary: "Part of the pages", type: type) { file.answer(to: $0) }
    }

    private static func resource(
        _ path: String,
        id: String,
        summary: String,
        type: String,
        _ answer: @escaping @Sendable (Request) -> Response
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
                        .init(
                            name: "If-None-Match",
                            text: "The ETag of the version that the reader has",
                            place: "header"
                        )
                    ],
                    answers: [
                        .init(status: 200, text: "The file", type: type, headers: [.fileTag]),
                        .init(status: 304, text: "The reader has the present version", headers: [.fileTag]),
                    ]
                ) { request, _ in answer(request) }
            ]
        )
    }

    /// Nothing but what this daemon serves may be loaded, and `data:` images, the icons of the
    /// style sheets.
    ///
    /// A page runs no inline script, sends no form, and cannot be framed.
    private static let contentPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

extension Request {
    /// The path that a reverse proxy has cut off, without a slash at its end; nil without a header that is one.
    fileprivate var forwardedPrefix: String? {
        guard let name = HTTPField.Name("X-Forwarded-Prefix"), let value = headers[name], value.utf8.count <= 256 else {
            return nil
        }
        let isPath = value.utf8.allSatisfy { byte in
            switch byte {
            case 48...57, 65...90, 97...122: true
            default: "/-._~".utf8.contains(byte)
            }
        }
        guard isPath, value.hasPrefix("/"), !value.hasPrefix("//") else { return nil }
        return "/" + value.split(separator: "/").joined(separator: "/")
    }
}

extension Operation.Header {
    fileprivate static let fileTag = Operation.Header(
        name: "ETag",
        text: "Identifies this version, for `If-None-Match`",
        schema: Schema.etag
    )
}
