import Config
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Reconciler
import Tunnel

/// `GET /status`: whether everything is served, in one small answer.
struct StatusRoutes: Sendable {
    let reconciler: TunnelReconciler
    let facts: DaemonFacts
    let credentials: ServerCredentials?

    var resources: [Resource] {
        [
            Resource(
                path: "/status",
                tag: .master,
                access: .key,
                operations: [
                    Operation(
                        method: .get,
                        id: "getStatus",
                        summary: "Read whether everything is served: problems, counts, certificates",
                        answers: [
                            .init(status: 200, text: "The state", schema: Schema.reference(StatusView.self))
                        ]
                    ) { _, _ in .json(StatusView.object(await source())) }
                ]
            )
        ]
    }

    private func source() async -> StatusView.Source {
        let instances = await reconciler.instances()
        var certificates = instances.compactMap { instance in
            instance.status?.certificate.flatMap { certificate in
                certificate.isSelfMade
                    ? nil : StatusView.Certificate.Source(tunnel: instance.title, notAfter: certificate.notAfter)
            }
        }
        if let own = credentials?.current().certificate, !own.isSelfMade {
            certificates.append(StatusView.Certificate.Source(tunnel: nil, notAfter: own.notAfter))
        }
        let uptime = (ContinuousClock.now - facts.started) / .seconds(1)
        return StatusView.Source(
            status: await reconciler.status(),
            problems: await reconciler.problems(),
            instances: instances,
            overridden: await reconciler.overriddenCount,
            hidden: await reconciler.hidden,
            certificates: certificates.sorted { $0.notAfter < $1.notAfter },
            started: Date(timeIntervalSinceNow: -uptime)
        )
    }
}
