import Config
import HTTPTypes
import Hummingbird
import Reconciler
import Tunnel

/// `GET` and `POST /info`: the machine, the daemon and its alias.
struct InfoRoutes: Sendable {
    let facts: DaemonFacts
    let identity: DaemonIdentity
    let system: SystemReadings
    let descriptors: DescriptorBudget

    var resources: [Resource] {
        let info = Operation.Answer(
            status: 200,
            text: "The daemon and its machine",
            schema: Schema.reference(InfoView.self)
        )
        return [
            Resource(
                path: "/info",
                tag: .master,
                access: .key,
                operations: [
                    Operation(method: .get, id: "getInfo", summary: "Read the daemon's state", answers: [info]) {
                        _,
                        _ in
                        .json(try await view())
                    },
                    Operation(
                        method: .post,
                        id: "setInfo",
                        summary: "Set the daemon's alias",
                        parameters: [.dryRun],
                        body: "InfoUpdate",
                        examples: [.init(name: "alias", text: "Give it a name", value: ["alias": "edge"])],
                        answers: [info, .badRequest, .unstored, .full]
                    ) { request, _ in
                        try await update(request)
                    },
                ]
            )
        ]
    }

    private func update(_ request: Request) async throws -> Response {
        let body = try await request.json()
        guard case .object = body else { throw APIError.bodyInvalid("", "takes a JSON object, not \(body.kindName)") }
        var alias = ""
        switch body["alias"] {
        case .string(let text): alias = text
        case nil, .null: break
        case let other?: throw APIError.bodyInvalid("alias", "takes a text, not \(other.kindName)")
        }
        do throws(LabelProblem) {
            try TunnelLabels.check(alias, "Master alias")
        } catch {
            throw APIError(error)
        }
        if try !request.isDryRun { try identity.setMasterAlias(alias) }
        return .json(try await view())
    }

    private func view() async throws -> JSONValue {
        InfoView.object(
            InfoView.Source(
                alias: identity.masterAlias,
                masterID: identity.masterID,
                facts: facts,
                machine: try await system.read(),
                uptimeSeconds: (ContinuousClock.now - facts.started).components.seconds,
                plan: descriptors.plan,
                descriptors: descriptors.figures
            )
        )
    }
}
