import Config
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Reconciler

/// `/manifest`, `/plan` and `/export`: what is declared, what another manifest would do, and the
/// live state as one.
struct ManifestRoutes: Sendable {
    let reconciler: TunnelReconciler
    let reader: ManifestReader
    /// Nil for a daemon without a manifest.
    let watcher: ManifestWatcher?

    var resources: [Resource] {
        [
            Resource(path: "/manifest", tag: .manifest, access: .key, operations: [readOperation]),
            Resource(path: "/plan", tag: .manifest, access: .key, operations: [planOperation]),
            Resource(
                path: "/export",
                tag: .manifest,
                access: .key,
                operations: [
                    Operation(
                        method: .get,
                        id: "exportManifest",
                        summary: "Export the state as a manifest; planning it changes nothing",
                        role: .admin,
                        parameters: [
                            .init(
                                name: "live",
                                text: "Write what overrides have made of tunnels, not what is declared of them",
                                schema: Schema.boolean
                            )
                        ],
                        answers: [
                            .init(
                                status: 200,
                                text: "YAML; tunnel keys that did not come from references are in plain text",
                                schema: Schema.reference("ManifestFile"),
                                type: Self.yaml
                            ), .badRequest,
                        ]
                    ) { request, _ in
                        .text(await reconciler.export(live: try request.flag("live")), type: Self.yaml)
                    }
                ]
            ),
        ]
    }

    private static let yaml = "application/yaml"

    private var readOperation: Operation {
        Operation(
            method: .get,
            id: "getManifest",
            summary: "Read the declared layer as it was last read; secrets are masked",
            answers: [
                .init(
                    status: 200,
                    text: "What is declared",
                    schema: Schema.reference(ManifestView.self),
                    headers: [.init(name: "ETag", text: "The revision", schema: Schema.etag)]
                )
            ]
        ) { _, _ in
            let layer = await reconciler.declaredLayer()
            var response = Response.json(ManifestView.object(layer))
            response.headers[.eTag] = "\"\(layer.status.observedRevision)\""
            return response
        }
    }

    private var planOperation: Operation {
        Operation(
            method: .post,
            id: "plan",
            summary:
                "Show what a manifest would change: the one in the body, or the daemon's own files as they are now",
            role: .read,
            details: "It changes nothing. `include` is refused in a body. Through the Unix socket, references in the "
                + "body mean the daemon's environment and files. Over TCP they stay texts: the reference that the "
                + "declaration has too is unchanged, any other value in its place differs.",
            parameters: [
                .init(
                    name: "file",
                    text: "Paths on the daemon's machine to plan instead; only through the Unix socket",
                    schema: Schema.texts
                ),
                .init(
                    name: "bundle",
                    text: "The body may be a JSON list of files, each with `name` and `text`, in place of one manifest",
                    schema: Schema.boolean
                ),
            ],
            yaml: Schema.reference("ManifestFile"),
            examples: [
                .init(
                    name: "manifest",
                    text: "A manifest with one tunnel",
                    value: [
                        "version": 1,
                        "tunnels": [
                            "web": [
                                "role": "client", "mode": "single", "tunnel": "127.0.0.1:8080",
                                "target": "127.0.0.1:9090",
                            ]
                        ],
                    ]
                )
            ],
            answers: [
                .init(status: 200, text: "The plan", schema: Schema.reference(PlanView.self)),
                .init(
                    status: 403,
                    text: "Files can only be named through the socket",
                    schema: Schema.reference(ErrorView.self)
                ),
                .badRequest,
                .init(status: 409, text: "The daemon has no manifest", schema: Schema.reference(ErrorView.self)),
                .rejected,
            ],
            handler: plan
        )
    }

    // MARK: Planning

    private func plan(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        let reading = try await reading(request, context)
        guard let manifest = reading.manifest, let report = await reconciler.plan(reading) else {
            throw APIError.rejected(reading.diagnostics)
        }
        let source = PlanView.Source(
            report: report,
            revision: manifest.revision,
            diagnostics: reading.diagnostics
        )
        return .json(PlanView.object(source))
    }

    private func reading(_ request: Request, _ context: APIRequestContext) async throws -> ManifestReading {
        let files = request.queries("file")
        if !files.isEmpty {
            guard context.peer == .socket else { throw APIError.filesNeedSocket }
            return try await offLoop { reader.read(paths: files) }
        }
        let body = try await request.text(limitBytes: YAMLLimits().documentBytes)
        if try request.flag("bundle"), let texts = try Self.bundle(body) {
            let known = await reconciler.declarationsByName
            return try await offLoop { reader.read(texts: texts, comparedWith: known) }
        }
        if !body.isEmpty, context.peer != .socket {
            let known = await reconciler.declarationsByName
            return try await offLoop { reader.read(text: body, file: "plan.yaml", comparedWith: known) }
        }
        if !body.isEmpty {
            return try await offLoop { reader.read(text: body, file: "plan.yaml", allowsIncludes: false) }
        }
        guard let watcher else { throw APIError.noManifest }
        return await watcher.reading()
    }

    /// The files of a manifest on another machine: `[{"name": …, "text": …}]`; nil for a body that is not a list.
    private static func bundle(_ body: String) throws(APIError) -> [(name: String, text: String)]? {
        guard case .array(let items)? = try? JSONParser.parse(Array(body.utf8)) else { return nil }
        let texts = items.compactMap { item -> (name: String, text: String)? in
            guard let name = item["name"]?.stringValue, let text = item["text"]?.stringValue else { return nil }
            return (PlainText.line(name), text)
        }
        guard !texts.isEmpty, texts.count == items.count, texts.count <= ManifestReader.fileLimit else {
            throw .bodyInvalid("", "a bundle is a list of files, each with its name and its text")
        }
        return texts
    }

    /// Reading a large manifest takes a good part of a second.
    private func offLoop(_ read: @escaping @Sendable () -> ManifestReading) async throws -> ManifestReading {
        try await NIOThreadPool.singleton.runIfActive(read)
    }
}
