import Config
import FoundationEssentials
import NIOCore
import NIOPosix
import Reconciler
import ServiceLifecycle
import Tunnel
import UnixSignals

/// One tunnel for the life of the process, with NodePass's log on standard output.
enum ForegroundTunnel {
    private static let id: InstanceID = "00000000"

    /// Runs until a signal stops it; throws when the tunnel has failed for good, since nothing can
    /// change its configuration while the process lives.
    static func run(
        _ spec: TunnelSpec,
        _ output: LogOutput,
        shutdownTimeout: Duration? = nil
    ) async throws(CommandFailure) {
        let plan = DescriptorPlan(limit: ProcessLimits.raiseOpenFiles(), cores: System.coreCount, api: 0)
        let environment = TunnelEnvironment(variables: ProcessInfo.processInfo.environment)
        let engine = TunnelEngine(
            group: MultiThreadedEventLoopGroup.singleton,
            environment: environment,
            descriptors: DescriptorBudget(plan)
        )
        let addresses = AddressWatch { [weak engine] in engine?.addressesChanged() }
        defer { withExtendedLifetime(addresses) {} }
        let limit = ShutdownLimit(drain: spec.drain, given: shutdownTimeout, otherwise: environment.shutdownTimeout)
        var spec = spec
        spec.drain = limit.duration
        let signals = await SignalService(
            onReload: { engine.forgetNames() },
            onStop: { [log = spec.log] in
                let fields = [(name: "reason", value: limit.reason), ("within", GoDuration.text(limit.duration))]
                if log.shows(.info) { output.print(.info, "Stopping", fields: fields) }
                await engine.shutdown()
            }
        )
        async let failure = stopOnFailure(engine)
        await withDiscardingTaskGroup { group in
            group.addTask { await engine.run() }
            group.addTask { [spec] in await engine.run(id, spec: spec, generation: 0, releaseFirst: false) }
            group.addTask { await signals.run() }
            group.addTask { [log = spec.log] in
                await report(engine, every: environment.reportInterval, log: log, output)
            }
            // The log ends with the engine, so its last line is printed before anything is
            // cancelled.
            for await line in engine.logLines { output.print(line.level, line.message, time: line.time) }
            group.cancelAll()
        }
        if let message = await failure { throw CommandFailure(message: message) }
    }

    /// Shuts the engine down when its tunnel has failed for good, and returns why; nil when a
    /// signal came first.
    private static func stopOnFailure(_ engine: TunnelEngine) async -> String? {
        for await _ in engine.changes {
            guard let status = engine.snapshot()[id], status.phase == .failed else { continue }
            await engine.shutdown()
            return status.message
        }
        return nil
    }

    /// A `CHECK_POINT` line each interval, which NodePass's masters read from their children.
    private static func report(
        _ engine: TunnelEngine,
        every interval: Duration,
        log: LogLevel,
        _ output: LogOutput
    ) async {
        while (try? await Task.sleep(for: interval)) != nil {
            guard log.shows(.event), let status = engine.snapshot()[id], status.phase == .ready else { continue }
            output.print(.event, checkPoint(status))
        }
    }

    static func checkPoint(_ status: TunnelStatus) -> String {
        "CHECK_POINT|MODE=\(status.resolvedMode)|PING=\(status.pingMilliseconds)ms|POOL=\(status.poolIdle)"
            + "|TCPS=\(status.tcpConnections)|UDPS=\(status.udpSessions)"
            + "|TCPRX=\(status.traffic.tcpRx)|TCPTX=\(status.traffic.tcpTx)"
            + "|UDPRX=\(status.traffic.udpRx)|UDPTX=\(status.traffic.udpTx)"
    }
}
