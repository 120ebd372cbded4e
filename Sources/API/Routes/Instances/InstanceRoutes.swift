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
    /// Reads the URL of a request; nil reads it with what the master hands down.
    let readURL: APIApplication.Parts.URLReader?

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
            Resource(
                path: "/instances/{id}/forget-peer",
                tag: .instances,
                access: .key,
                operations: [forgetPeerOperation],
                lookup: { context in try await reconciler.requireRow(context) }
            ),
        ]
    }

    // MARK: Handlers

    func list(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        guard !request.uri.path.hasSuffix("/") else { throw APIError.idRequired }
        let now = Date()
        let isMasked = try isMasked(request, context)
        let rows = await reconciler.instances().map { instance in
            let object = InstanceView.object(instance, now: now)
            return isMasked ? MaskedInstance.object(object, of: instance) : object
        }
        return .json(.array([keyRow(context)] + rows))
    }

    func create(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        guard !request.uri.path.hasSuffix("/") else { throw APIError.idRequired }
        let body = try InstanceBody.creation(try await request.json())
        let (tunnel, isDryRun) = (try tunnel(body.source), try request.isDryRun)
        let instance = try await reconciler.create(
            CreateRequest(
                tunnel: tunnel,
                labels: body.labels,
                autostart: body.autostart,
                by: await context.author(),
                note: body.note,
                dryRun: isDryRun
            )
        )
        let findings = isDryRun ? await self.findings(tunnel) : nil
        return answer(instance, findings: findings, status: .created, wire: .stopped)
    }

    func read(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        guard context.instanceID != KeyView.id else { return .json(keyAnswer(context)) }
        guard let details = try await reconciler.details(of: context.instanceID) else {
            throw APIError.instanceNotFound
        }
        guard try isMasked(request, context) else { return answer(details.instance, details) }
        let object = InstanceView.answer(details.instance, details, now: Date())
        return .json(MaskedInstance.object(object, of: details.instance))
    }

    func patch(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        try await reconciler.requireRow(context)
        let (patch, note) = try InstanceBody.patch(try await request.json())
        let grace = try request.duration("grace")
        let mutation = try await mutation(request, context, note: note)
        guard context.instanceID != KeyView.id else { return try patchKey(patch, mutation, grace, context) }
        // The status before the action, as NodePass's masters answer.
        let before = await reconciler.instance(context.instanceID).map { WireStatus($0.phase) }
        let instance = try await reconciler.patch(context.instanceID, patch, mutation)
        return answer(instance, wire: patch.action == nil ? nil : before)
    }

    /// Only `restart` means something here: a new key, after which every stream has to show it.
    private func patchKey(
        _ patch: InstancePatch,
        _ mutation: MutationContext,
        _ grace: Duration?,
        _ context: APIRequestContext
    ) throws -> Response {
        guard patch.action == .restart, !mutation.dryRun else { return .json(keyAnswer(context)) }
        if let grace {
            let (now, former) = (Date(), identity.apiKey)
            do throws(APIKeyProblem) {
                let end = now + min(grace, APILimits.keyGrace) / .seconds(1)
                try identity.keys.keep(former: former, until: end, now: now)
            } catch {
                throw APIError(error)
            }
        }
        try identity.rotateKey()
        reconciler.endStreams()
        return .json(keyAnswer(context))
    }

    func replace(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        guard context.instanceID != KeyView.id else { throw APIError.keyForbidden }
        try await reconciler.requireRow(context)
        let (source, note) = try InstanceBody.replacement(try await request.json())
        let tunnel = try tunnel(source)
        let mutation = try await mutation(request, context, note: note)
        let instance = try await reconciler.replace(context.instanceID, by: tunnel, mutation)
        return answer(instance, findings: mutation.dryRun ? await findings(tunnel, replacing: instance.id) : nil)
    }

    func delete(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        guard context.instanceID != KeyView.id else { throw APIError.keyForbidden }
        try await reconciler.delete(context.instanceID, try await mutation(request, context))
        return Response(status: .noContent)
    }

    func release(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        guard context.instanceID != KeyView.id else { throw APIError.keyForbidden }
        return answer(try await reconciler.release(context.instanceID, try await mutation(request, context)))
    }

    func forgetPeer(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        guard context.instanceID != KeyView.id else { throw APIError.keyForbidden }
        return answer(try await reconciler.forgetPeer(context.instanceID, try await mutation(request, context)))
    }

    // MARK: Parts of them

    /// `note` is what the body says; requests without a body have it in their query.
    private func mutation(
        _ request: Request,
        _ context: APIRequestContext,
        note: String? = nil
    ) async throws -> MutationContext {
        MutationContext(
            by: await context.author(),
            note: try note ?? InstanceBody.note(request.query("note")),
            ttl: try request.overrideLifetime(),
            ifMatch: request.expectedState,
            dryRun: try request.isDryRun
        )
    }

    /// What the request asks for, read once: everything after this takes the checked value.
    private func tunnel(_ source: InstanceBody.Creation.Source) throws(APIError) -> CheckedTunnel {
        switch source {
        case .url(let url): return try tunnel(url: url)
        case .spec(let keys):
            let (declaration, diagnostics) = manifestReader.readTunnel(keys, name: "spec")
            guard let declaration else { throw .specInvalid(diagnostics) }
            return try tunnel(declaration)
        }
    }

    private func tunnel(url: String) throws(APIError) -> CheckedTunnel {
        do throws(TunnelURLError) {
            if let readURL { return try readURL(url) }
            return try CheckedTunnel(url: url) { reconciler.defaults.parameters(for: $0) }
        } catch {
            throw APIError(error)
        }
    }

    private func tunnel(_ declaration: TunnelDeclaration) throws(APIError) -> CheckedTunnel {
        do throws(TunnelURLError) {
            return try CheckedTunnel(declaration) { reconciler.defaults.parameters(for: $0) }
        } catch {
            throw APIError(error)
        }
    }

    /// What a dry run adds: what the tunnel would run into.
    private func findings(_ tunnel: CheckedTunnel, replacing id: InstanceID? = nil) async -> [Diagnostic] {
        let findings = await reconciler.findings(
            for: tunnel,
            replacing: id,
            mayBindPrivilegedPorts: PrivilegedPorts.areAllowed
        )
        // Files are read here, where a slow disk holds up this request alone.
        guard let problem = tunnel.spec.certificateProblem else { return findings }
        let code = DiagnosticCode.certificateInvalid.rawValue
        return [Diagnostic(.error, at: nil, path: "tls", code: code, problem.message)] + findings
    }

    /// A key that may not do everything does not get to see the one that may.
    private func keyText(_ context: APIRequestContext) -> String {
        context.role == .admin ? identity.apiKey : Secret.mask
    }

    private func isMasked(_ request: Request, _ context: APIRequestContext) throws(APIError) -> Bool {
        let isAskedFor = try request.flag("masked")
        return isAskedFor || context.role < .admin
    }

    private func keyRow(_ context: APIRequestContext) -> JSONValue {
        KeyView.object(key: keyText(context), masterID: identity.masterID, alias: identity.masterAlias)
    }

    private func keyAnswer(_ context: APIRequestContext) -> JSONValue {
        KeyView.answer(key: keyText(context), masterID: identity.masterID, alias: identity.masterAlias)
    }

    private func answer(
        _ instance: Instance,
        _ details: InstanceDetails? = nil,
        findings: [Diagnostic]? = nil,
        status: HTTPResponse.Status = .ok,
        wire: WireStatus? = nil
    ) -> Response {
        let object = InstanceView.answer(instance, details, findings: findings, status: wire, now: Date())
        var response = Response.json(object, status: status)
        response.headers[.eTag] = "\"\(instance.etag)\""
        return response
    }
}

extension APIRequestContext {
    /// The `{id}` of the path; clients write the key's asterisks plain or escaped.
    var instanceID: InstanceID {
        PercentCoding.decodeLeniently(parameters.get("id") ?? "")
    }
}
