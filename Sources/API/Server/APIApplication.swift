package import Config
package import Hummingbird
import HummingbirdCore
package import Logging
package import NIOCore
package import Reconciler
package import Tunnel

/// The API: one router, served on TCP and on the daemon's Unix socket.
///
/// `RouteTable` registers the resources that every `*Routes` lists; the document of `OpenAPI` is
/// made from the same list. Each kind of JSON object is one table in `Wire`. Handlers decode, ask
/// the reconciler and encode; they never touch a tunnel.
package struct APIApplication: Sendable {
    /// What the handlers work on.
    package struct Parts: Sendable {
        package let reconciler: TunnelReconciler
        package let identity: DaemonIdentity
        package let events: EventHub
        package let manifestReader: ManifestReader
        /// Nil for a daemon without a manifest.
        package let watcher: ManifestWatcher?
        package let facts: DaemonFacts
        package let group: any EventLoopGroup
        package let descriptors: DescriptorBudget
        /// The daemon's, for faults of ours.
        let logger: Logger
        /// What `/tcping` connects by.
        package let probe: TargetProbe
        package let listening: ListenerBoard
        /// Nil for an API without TLS.
        let credentials: ServerCredentials?
        /// Reads the URL of a request; nil reads it with what the daemon's own URL hands down to
        /// its tunnels.
        let readURL: URLReader?

        package typealias URLReader = @Sendable (String) throws(TunnelURLError) -> CheckedTunnel

        package init(
            reconciler: TunnelReconciler,
            identity: DaemonIdentity,
            events: EventHub,
            manifestReader: ManifestReader,
            watcher: ManifestWatcher? = nil,
            facts: DaemonFacts,
            group: any EventLoopGroup,
            descriptors: DescriptorBudget,
            probe: TargetProbe,
            listening: ListenerBoard = ListenerBoard(),
            credentials: ServerCredentials? = nil,
            logger: Logger = Logger(label: "nodepass.api"),
            readURL: URLReader? = nil
        ) {
            self.reconciler = reconciler
            self.identity = identity
            self.events = events
            self.manifestReader = manifestReader
            self.watcher = watcher
            self.facts = facts
            self.group = group
            self.descriptors = descriptors
            self.logger = logger
            self.probe = probe
            self.listening = listening
            self.credentials = credentials
            self.readURL = readURL
        }
    }

    /// The prefix when none is given, which the Unix socket always serves for the CLI.
    package static let defaultPrefix = "/api"

    package let prefix: String
    private let parts: Parts
    private let system = SystemReadings()
    private let guesses = BadKeyCounter()
    private let failures: FailureLog

    /// The prefix as NodePass reads it: none or `/` is `/api`, slashes at its end are cut.
    package init(prefix: String, parts: Parts) {
        self.prefix = APIApplication.normalized(prefix)
        self.parts = parts
        failures = FailureLog(parts.logger)
    }

    package static func normalized(_ prefix: String) -> String {
        let segments = prefix.split(separator: "/")
        return segments.isEmpty ? defaultPrefix : "/" + segments.joined(separator: "/")
    }

    /// The responder of both listeners.
    ///
    /// `alsoAtDefaultPrefix` is for the socket: the CLI does not know the daemon's prefix.
    package func responder(alsoAtDefaultPrefix: Bool = false) -> RouterResponder<APIRequestContext> {
        router(alsoAtDefaultPrefix: alsoAtDefaultPrefix).buildResponder()
    }

    /// What is served, path by path.
    package func router(alsoAtDefaultPrefix: Bool = false) -> Router<APIRequestContext> {
        let prefixes = alsoAtDefaultPrefix && prefix != Self.defaultPrefix ? [prefix, Self.defaultPrefix] : [prefix]
        let router = Router(context: APIRequestContext.self)
        router.add(middleware: CrossOriginMiddleware())
        router.add(
            middleware: UnroutedMiddleware(collectionPaths: Set(prefixes.map { $0 + "/v1/instances/" }))
        )
        let auth = APIKeyAuth(identity: parts.identity, keys: parts.identity.keys, guesses: guesses)
        let probes =
            ProbeRoutes(reconciler: parts.reconciler).resources
            + MetricsRoutes(
                reconciler: parts.reconciler,
                facts: parts.facts,
                descriptors: parts.descriptors,
                listening: parts.listening,
                credentials: parts.credentials
            ).resources
            + [PageRoutes(base: prefix + "/v1").dashboard]
        router.register(probes + PageRoutes.assets, below: "", auth: auth, failures: failures)
        for prefix in prefixes {
            router.register(
                resources(prefix: prefix, probes: probes),
                below: prefix + "/v1",
                auth: auth,
                failures: failures
            )
        }
        return router
    }

    /// What the pages load: routed, but no part of the API and so not documented.
    package static var assetPaths: [String] { PageRoutes.assets.map(\.path) }

    private func resources(prefix: String, probes: [Resource]) -> [Resource] {
        let resources =
            InstanceRoutes(
                reconciler: parts.reconciler,
                identity: parts.identity,
                manifestReader: parts.manifestReader,
                readURL: parts.readURL
            ).resources
            + InfoRoutes(
                facts: parts.facts,
                identity: parts.identity,
                system: system,
                descriptors: parts.descriptors
            ).resources
            + StatusRoutes(reconciler: parts.reconciler, facts: parts.facts, credentials: parts.credentials).resources
            + KeyRoutes(keys: parts.identity.keys).resources
            + PingRoutes(prober: ConnectProber(probe: parts.probe)).resources
            + EventRoutes(reconciler: parts.reconciler, identity: parts.identity, events: parts.events).resources
            + ReconcileRoutes(
                reconciler: parts.reconciler,
                watcher: parts.watcher,
                listening: parts.listening
            ).resources
            + NoticeLogRoutes(reconciler: parts.reconciler).resources
            + ManifestRoutes(
                reconciler: parts.reconciler,
                reader: parts.manifestReader,
                watcher: parts.watcher
            ).resources
            + ConnectionRoutes(reconciler: parts.reconciler).resources
            + LogRoutes(reconciler: parts.reconciler).resources
            + HistoryRoutes(reconciler: parts.reconciler).resources
            + [PageRoutes(base: prefix + "/v1").documentation]
        let document = OpenAPI(
            api: resources + DescriptionRoutes(document: "").resources,
            probes: probes,
            base: prefix + "/v1"
        ).document.prettyText
        return resources + DescriptionRoutes(document: document + "\n").resources
    }
}
