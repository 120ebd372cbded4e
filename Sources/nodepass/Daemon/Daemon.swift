import API
import Config
import FoundationEssentials
import Glibc
import Logging
import NIOCore
import NIOPosix
import Reconciler
import ServiceLifecycle
import Tunnel

/// Builds every part of the daemon, in the order of their dependencies, and runs them.
struct Daemon {
    private let options: DaemonOptions
    private let logger: Logger
    private let output: LogOutput
    private let notifier: SystemdNotifier
    private let engine: TunnelEngine
    private let reconciler: TunnelReconciler
    private let watcher: ManifestWatcher?
    private let history: HistoryRecorder
    private let listeners: [APIListener]
    /// What each listener reports of itself.
    private let reports: AsyncStream<APIListener.Report>
    /// Nil for an API without TLS.
    private let credentials: ServerCredentials?
    private let identity: DaemonIdentity
    private let prefix: String
    private let isContained: Bool
    private let deadline = StopDeadline()

    /// Runs until a signal stops it.
    static func run(_ options: DaemonOptions) async throws {
        let openFiles = ProcessLimits.raiseOpenFiles()
        let output = LogOutput(options.logFormat)
        LoggingSystem.bootstrap { _ in NodePassLogHandler(level: options.log, output: output) }
        do {
            try await run(options, output, openFiles: openFiles)
        } catch {
            await output.flush()
            throw error
        }
        await output.flush()
    }

    private static func run(_ options: DaemonOptions, _ output: LogOutput, openFiles: Int) async throws {
        let daemon = try await Daemon(
            options,
            output,
            environment: ProcessInfo.processInfo.environment,
            openFiles: openFiles
        )
        try await daemon.runServices()
    }

    /// Reads the manifest before anything listens, so that an invalid one stops a strict daemon
    /// early.
    ///
    /// `openFiles` is how many the system lets the process have open.
    private init(
        _ options: DaemonOptions,
        _ output: LogOutput,
        environment: [String: String],
        openFiles: Int
    ) async throws {
        let logger = Logger(label: "nodepass")
        let inherited = try ListenDescriptors(environment: environment).api(at: options.listen)
        let reader = ManifestReader(
            environment: environment,
            workingDirectory: FileManager.default.currentDirectoryPath
        )
        let reading = options.manifests.isEmpty ? nil : reader.read(paths: options.manifests)
        try Self.report(reading, isStrict: options.isStrict, logger: logger)
        let store = try StateStore.open(directory: options.stateDirectory, reset: options.resetsState)
        for problem in store.modeProblems { logger.warning("\(problem)") }
        let identity = try DaemonIdentity(store: store)
        if let path = options.legacyKeyFile {
            try LegacyKeyFile(path: path, logger: logger).follow(identity)
        }
        let credentials = try Self.credentials(options, store: store)
        let streams = try EventStreams(store: store, renderer: EventView.payload)
        let group = MultiThreadedEventLoopGroup.singleton
        let tunnelEnvironment = TunnelEnvironment(variables: environment)
        let addresses: [APIListener.Address] = [
            .tcp(options.listen), .socket(DaemonOptions.socket(in: options.stateDirectory)),
        ]
        let descriptors = DescriptorBudget(
            DescriptorPlan(
                limit: openFiles,
                cores: System.coreCount,
                api: addresses.count * APILimits.connections
            )
        )
        let listening = ListenerBoard()
        let problems = DaemonProblems(descriptors: descriptors, listening: listening, credentials: credentials)
        let peers = PeerMemory(try store.sealedPeers(), tokenSecret: try store.tokenSecret()) {
            try await store.rememberSealed($0)
        }
        engine = TunnelEngine(
            group: group,
            environment: tunnelEnvironment,
            descriptors: descriptors,
            peers: peers
        )
        reconciler = try TunnelReconciler(
            store: store,
            host: engine,
            streams: streams,
            settings: ReconcilerSettings(
                defaults: options.defaults,
                expectsManifest: reading != nil,
                prune: options.isPruning,
                reportInterval: tunnelEnvironment.reportInterval,
                surroundings: { problems.all(now: $0) },
                logger: logger
            )
        )
        history = HistoryRecorder(store: store, host: engine, logger: logger)
        let declared = await reconciler.declaredNames
        let first = reading.map { FirstReading($0, declared: declared) }
        if let first { await reconciler.declare(first.reading, keepsMissing: first.mayBeHalf) }
        watcher = first.map { [reconciler] first in
            ManifestWatcher(read: { reader.read(paths: options.manifests) }, initial: first, logger: logger) {
                await reconciler.declare($0, isConfirmed: $1)
            }
        }
        let application = APIApplication(
            prefix: options.prefix,
            parts: APIApplication.Parts(
                reconciler: reconciler,
                identity: identity,
                events: streams.instances,
                manifestReader: reader,
                watcher: watcher,
                facts: Self.facts(options),
                group: group,
                descriptors: descriptors,
                probe: engine.probe,
                listening: listening,
                credentials: credentials,
                logger: logger
            )
        )
        let reconciler = reconciler
        let (reports, reporting) = AsyncStream.makeStream(of: APIListener.Report.self)
        var limits = APIListener.Limits()
        limits.connections = descriptors.plan.api / addresses.count
        listeners = addresses.map { [limits] address in
            APIListener(
                address,
                application: application,
                credentials: credentials,
                limits: limits,
                group: group,
                logger: logger,
                waits: !options.isStrict,
                socketGroup: options.socketGroup,
                inherited: inherited,
                onReport: { report in
                    listening.take(report)
                    reporting.yield(report)
                },
                onShutdown: { reconciler.endStreams() }
            )
        }
        self.reports = reports
        isContained = ShutdownLimit.isContained(environment: environment)
        self.credentials = credentials
        self.identity = identity
        prefix = application.prefix
        notifier = SystemdNotifier(environment: environment)
        self.options = options
        self.logger = logger
        self.output = output
    }

    private func runServices() async throws {
        var services: [any Service] = [EngineService(engine: engine, deadline: deadline), history, reconciler]
        if let watcher { services.append(watcher) }
        services += listeners as [any Service]
        var configuration = ServiceGroupConfiguration(services: services, logger: quietLogger)
        configuration.maximumGracefulShutdownDuration =
            ShutdownLimit.upperBound(given: options.shutdownTimeout, isContained: isContained) + ShutdownLimit.margin
        let group = ServiceGroup(configuration: configuration)
        let signals = await signals(stopping: group)
        let addresses = AddressWatch { [weak engine] in engine?.addressesChanged() }
        StopNotice.remove(in: options.stateDirectory)
        defer {
            withExtendedLifetime(addresses) {}
            StopNotice.remove(in: options.stateDirectory)
        }
        try await withThrowingDiscardingTaskGroup { tasks in
            tasks.addTask { await signals.run() }
            tasks.addTask { await forwardLog() }
            tasks.addTask { await announceReadiness() }
            tasks.addTask { await reportLife() }
            try await group.run()
            tasks.cancelAll()
        }
        logger.info("Master shutdown complete")
    }

    private func signals(stopping group: ServiceGroup) async -> SignalService {
        await SignalService(
            onReload: { [notifier, watcher, reconciler] in
                notifier.send(.reloading)
                reconciler.forgetNames()
                watcher?.nudge()
                reconciler.wake()
                notifier.send(.ready)
            },
            onStop: { [options, isContained, deadline, engine, reconciler, notifier, logger] in
                // First what would be lost if someone killed the daemon while connections drain.
                await reconciler.saveCounters()
                let limit = ShutdownLimit(
                    given: options.shutdownTimeout,
                    longestDrain: engine.longestDrain,
                    isContained: isContained
                )
                deadline.set(limit.duration)
                StopNotice(
                    process: getpid(),
                    connections: engine.snapshot().values.reduce(0) { $0 + $1.tcpConnections + $1.udpSessions },
                    until: Date(timeIntervalSinceNow: (limit.duration / .seconds(1)).rounded(.up))
                ).write(in: options.stateDirectory)
                logger.info(
                    "Stopping",
                    metadata: ["within": "\(GoDuration.text(limit.duration))", "reason": "\(limit.reason)"]
                )
                notifier.send(.stopping)
                await group.triggerGracefulShutdown()
            }
        )
    }

    /// The log lines of tunnels go to standard output and to the event streams.
    private func forwardLog() async {
        for await line in engine.logLines {
            if options.log.shows(line.level) { output.print(line.level, line.message, time: line.time, of: line.id) }
            // With colors, as NodePass's clients know it.
            let text = LogLine.text(line.level, line.message, time: line.time, isColored: true)
            await reconciler.publishLog(line, as: text)
        }
    }

    /// The daemon is ready when each listener is open, or waits for its address, and the first pass
    /// is done.
    private func announceReadiness() async {
        var silent = Set(listeners.map(\.address.isSocket))
        for await report in reports {
            if case .open(let address) = report { logStart(at: address) }
            guard silent.remove(report.address.isSocket) != nil, silent.isEmpty else { continue }
            for await _ in reconciler.readiness {}
            guard reconciler.isReady else { return }
            ProcessLimits.trimMemory()
            // Who waits for readiness may look for the key in the log.
            await output.flush()
            notifier.send(.ready)
        }
    }

    /// Reports to the service manager that the daemon works, as often as that asks for it: each time after a pass
    /// of the reconciler and an answer of every event loop.
    private func reportLife() async {
        guard let interval = notifier.watchdogInterval else { return }
        for await _ in reconciler.readiness {}
        while (try? await Task.sleep(for: interval)) != nil {
            await reconciler.passOnce()
            do {
                for loop in MultiThreadedEventLoopGroup.singleton.makeIterator() { try await loop.submit {}.get() }
            } catch {
                return
            }
            notifier.send(.alive)
        }
    }

    /// The service group logs each of its steps at `info`, which nobody needs.
    private var quietLogger: Logger {
        var logger = logger
        logger.logLevel = max(logger.logLevel, .warning)
        return logger
    }
}

// MARK: - What is logged at the start

extension Daemon {
    private static func report(_ reading: ManifestReading?, isStrict: Bool, logger: Logger) throws(CommandFailure) {
        guard let reading else { return }
        for diagnostic in reading.diagnostics {
            logger.log(level: diagnostic.severity == .error ? .error : .warning, "\(diagnostic)")
        }
        guard isStrict, reading.hasErrors else { return }
        let first = reading.diagnostics.first { $0.severity == .error }
        throw CommandFailure(message: "--strict: \(first?.description ?? "the manifest has errors")")
    }

    private static func credentials(
        _ options: DaemonOptions,
        store: StateStore
    ) throws -> ServerCredentials? {
        do {
            return try APICredentials.load(options.tls, store: store, host: options.listen.lookUpHost)
        } catch let error as TunnelError {
            throw CommandFailure(message: "TLS of the API: \(error.message)")
        }
    }

    private static func facts(_ options: DaemonOptions) -> DaemonFacts {
        DaemonFacts(
            name: options.listen.host,
            log: options.defaults.log?.rawValue ?? options.log.rawValue,
            tls: String(options.tls.code),
            certificate: options.defaults.certificate ?? "",
            privateKey: options.defaults.key ?? ""
        )
    }

    /// The key is printed once, when it is created, whatever the log level: installers wait for
    /// this line.
    private func logStart(at address: APIListener.Address) {
        guard case .tcp(let endpoint) = address else { return }
        logger.info("Master started: \(endpoint)\(prefix)/v1")
        if identity.wasKeyCreated { output.print(.info, "API Key created: \(identity.apiKey)") }
        if let certificate = credentials?.current().certificate {
            logger.info(
                "API certificate",
                metadata: ["fingerprint": "\(certificate.fingerprint)", "subject": "\(certificate.subject)"]
            )
            if let warning = certificate.expiryWarning(now: Date()) { logger.warning("\(warning)") }
        }
        guard credentials == nil, !endpoint.isLoopback else { return }
        logger.warning(
            "Other machines can reach the API without TLS: keys and tunnel passwords are not encrypted",
            metadata: ["listen": "\(endpoint)"]
        )
    }
}
