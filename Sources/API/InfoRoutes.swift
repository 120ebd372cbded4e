import Config
import HTTPTypes
import Hummingbird
import Reconciler
import Tunnel

/// What `/info` says about how the daemon was started.
package struct DaemonFacts: Sendable {
    /// The host of the listening address.
    package var name: String
    package var log: String
    package var tls: String
    package var certificate: String
    package var privateKey: String
    package let started: ContinuousClock.Instant

    package init(
        name: String,
        log: String = "",
        tls: String = "0",
        certificate: String = "",
        privateKey: String = "",
        started: ContinuousClock.Instant = .now
    ) {
        self.name = name
        self.log = log
        self.tls = tls
        self.certificate = certificate
        self.privateKey = privateKey
        self.started = started
    }
}

/// `GET` and `POST /info`: the machine, the daemon and its alias.
struct InfoRoutes: Sendable {
    let facts: DaemonFacts
    let identity: DaemonIdentity
    let system: SystemReadings
    let descriptors: DescriptorBudget

    var resources: [Resource] {
        let info = Operation.Answer(status: 200, text: "The daemon and its machine", schema: Schema.reference("Info"))
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
        guard case .object = body else { throw APIError.bodyInvalid }
        var alias = ""
        switch body["alias"] {
        case .string(let text): alias = text
        case nil, .null: break
        default: throw APIError.bodyInvalid
        }
        guard alias.utf8.count <= TunnelLabels.textLimitBytes else { throw APIError.tooLong("Master alias") }
        if try !request.isDryRun { try identity.setMasterAlias(alias) }
        return .json(try await view())
    }

    /// NodePass's keys, which are in alphabetical order, then ours.
    private func view() async throws -> JSONValue {
        let now = try await system.read()
        let (plan, figures) = (descriptors.plan, descriptors.figures)
        return .object([
            "alias": .string(identity.masterAlias),
            "arch": .string(SystemReadings.architecture),
            "cpu": .int(now.cpuPercent),
            "crt": .string(facts.certificate),
            "diskr": .int(now.disk.read),
            "diskw": .int(now.disk.written),
            "key": .string(facts.privateKey),
            "log": .string(facts.log),
            "mem_total": .int(now.memory.total),
            "mem_used": .int(now.memory.used),
            "mid": .string(identity.masterID),
            "name": .string(facts.name),
            "netrx": .int(now.network.received),
            "nettx": .int(now.network.sent),
            "os": "linux",
            "swap_total": .int(now.memory.swapTotal),
            "swap_used": .int(now.memory.swapUsed),
            "sysup": .int(now.uptimeSeconds),
            "tls": .string(facts.tls),
            "uptime": .int((ContinuousClock.now - facts.started).components.seconds),
            "ver": .string(Version.api),
            "noc": .int(Int64(SystemReadings.coreCount)),
            "impl": .string(Version.implementation),
            "build": .string(Version.build),
            "fd_limit": .int(Int64(plan.limit)),
            "fd_tunnels": .int(Int64(plan.tunnels)),
            "fd_users": .int(Int64(plan.users)),
            "fd_taken": .int(Int64(figures.taken)),
            "refused": .int(Int64(figures.refused)),
        ])
    }
}
