import Config
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Reconciler
import Tunnel

/// `/instances`: the tunnels, and the pseudo instance that holds the API key.
struct InstanceRoutes: Sendable {
    let reconciler: TunnelReconciler
    let identity: DaemonIdentity
    /// Reads the manifest's keys of `spec`; relative paths in them mean the daemon's directory.
    let manifestReader: ManifestReader

    var resources: [Resource] {
        [
            Resource(path: "/instances", tag: .instances, access: .key, operations: [listOperation, createOperation]),
            Resource(
                path: "/instances/{id}",
                tag: .instances,
                access: .key,
                operations: [readOperation, patchOperation, replaceOperation, deleteOperation],
                lookup: { context in try await reconciler.requireRow(context) }
            ),
            Resource(
                path: "/instances/{id}/override",
                tag: .instances,
                access: .key,
                operations: [releaseOperation],
                lookup: { context in try await reconciler.requireRow(context) }
            ),
        ]
    }

    // MARK: Handlers

    func list(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        guard !request.uri.path.hasSuffix("/") else { throw APIError.idRequired }
        let now = Date()
        let rows = await reconciler.instances().map { InstanceView.object($0, now: now) }
        return .json(.array([keyRow] + rows))
    }

    func create(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        guard !request.uri.path.hasSuffix("/") else { throw APIError.idRequired }
        let body = try InstanceBody.creation(try await request.json())
        let instance = try await reconciler.create(
            CreateRequest(
                source: try source(body.source),
                labels: body.labels,
                autostart: body.autostart,
                by: context.peer.description,
                dryRun: try request.isDryRun
            )
        )
        return answer(instance, status: .created, wire: .stopped)
    }

    func read(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        guard context.instanceID != KeyView.id else { return .json(keyAnswer) }
        guard let details = try await reconciler.details(of: context.instanceID) else {
            throw APIError.instanceNotFound
        }
        return answer(details.instance, details)
    }

    func patch(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        try await reconciler.requireRow(context)
        let patch = try InstanceBody.patch(try await request.json())
        let mutation = try mutation(request, context)
        guard context.instanceID != KeyView.id else { return try await patchKey(patch, dryRun: mutation.dryRun) }
        return answer(try await reconciler.patch(context.instanceID, patch, mutation))
    }

    /// Only `restart` means something here: a new key, after which every stream has to show it.
    private func patchKey(_ patch: InstancePatch, dryRun: Bool) async throws -> Response {
        guard patch.action == .restart, !dryRun else { return .json(keyAnswer) }
        try identity.rotateKey()
        reconciler.endStreams()
        return .json(keyAnswer)
    }

    func replace(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        guard context.instanceID != KeyView.id else { throw APIError.keyForbidden }
        try await reconciler.requireRow(context)
        let source = try source(try InstanceBody.source(try await request.json()))
        return answer(
            try await reconciler.replace(context.instanceID, url: source.url, try mutation(request, context))
        )
    }

    func delete(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        guard context.instanceID != KeyView.id else { throw APIError.keyForbidden }
        try await reconciler.delete(context.instanceID, try mutation(request, context))
        return Response(status: .noContent)
    }

    func release(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        guard context.instanceID != KeyView.id else { throw APIError.keyForbidden }
        return answer(try await reconciler.release(context.instanceID, try mutation(request, context)))
    }

    // MARK: Parts of them

    private func mutation(_ request: Request, _ context: APIRequestContext) throws(APIError) -> MutationContext {
        MutationContext(
            by: context.peer.description,
            ttl: try request.overrideLifetime(),
            ifMatch: request.expectedState,
            dryRun: try request.isDryRun
        )
    }

    /// The same checks as YAML and URLs get everywhere; the reconciler adds what the master hands down.
    private func source(_ source: InstanceBody.Creation.Source) throws(APIError) -> CreateRequest.Source {
        switch source {
        case .url(let url):
            do throws(TunnelURLError) {
                _ = try TunnelURL.parse(url)
            } catch {
                throw APIError(error)
            }
            return .url(url)
        case .spec(let value):
            let (declaration, diagnostics) = manifestReader.readTunnel(value, name: "spec")
            guard let declaration else { throw .specInvalid(diagnostics) }
            return .spec(declaration.spec)
        }
    }

    private var keyRow: JSONValue {
        KeyView.object(key: identity.apiKey, masterID: identity.masterID, alias: identity.masterAlias)
    }

    private var keyAnswer: JSONValue {
        KeyView.answer(key: identity.apiKey, masterID: identity.masterID, alias: identity.masterAlias)
    }

    private func answer(
        _ instance: Instance,
        _ details: InstanceDetails? = nil,
        status: HTTPResponse.Status = .ok,
        wire: WireStatus? = nil
    ) -> Response {
        var response = Response.json(InstanceView.answer(instance, details, status: wire, now: Date()), status: status)
        response.headers[.eTag] = "\"\(instance.etag)\""
        return response
    }
}

extension CreateRequest.Source {
    fileprivate var url: String {
        switch self {
        case .url(let url): url
        case .spec(let spec): spec.url
        }
    }
}

extension APIRequestContext {
    /// The `{id}` of the path; clients write the key's asterisks plain or escaped.
    var instanceID: InstanceID {
        PercentCoding.decodeLeniently(parameters.get("id") ?? "")
    }
}
