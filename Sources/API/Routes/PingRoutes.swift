import Config
import HTTPTypes
import Hummingbird
import Reconciler

/// `GET /tcping`: how long a TCP connection to some address takes, seen from here.
struct PingRoutes: Sendable {
    let prober: ConnectProber

    var resources: [Resource] {
        [
            Resource(
                path: "/tcping",
                tag: .master,
                access: .key,
                operations: [
                    Operation(
                        method: .get,
                        id: "pingTarget",
                        summary: "Measure a TCP connect to host:port",
                        role: .admin,
                        details: "A target that cannot be reached gets 200, too. At most 10 are measured at once.",
                        parameters: [.target],
                        answers: [
                            .init(status: 200, text: "Reached or not", schema: Schema.reference(PingView.self)),
                            .badRequest,
                        ]
                    ) { request, _ in
                        let target = request.query("target") ?? ""
                        guard !target.isEmpty else { throw APIError.targetRequired }
                        return .json(PingView.object(await prober.measure(target)))
                    }
                ]
            )
        ]
    }
}

extension Operation.QueryField {
    fileprivate static let target = Operation.QueryField(
        name: "target",
        text: "host:port",
        isRequired: true,
        schema: ["type": "string", "minLength": 1, "examples": ["127.0.0.1:80"]]
    )
}
