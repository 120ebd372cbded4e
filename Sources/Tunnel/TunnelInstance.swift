import Config
import NIOCore
import NIOPosix

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// One tunnel's life: it takes commands one at a time, binds, hands over, drains, and tries again by itself.
///
/// All state is touched by the one task in `run()`; everybody else sends commands and reads the status board.
actor TunnelInstance {
    nonisolated let id: InstanceID
    private nonisolated let board: StatusBoard
    private nonisolated let tunnel: TunnelContext
    private nonisolated let commands: AsyncStream<Command>
    private nonisolated let mailbox: AsyncStream<Command>.Continuation
    private let group: any EventLoopGroup

    private var listeners: [ListenKey: Listener] = [:]
    /// Connections of former runs that may still finish.
    private var draining: [Drain] = []
    private var backoff = Backoff()
    private var retry: Scheduled<Void>?
    private var wantsToRun = false
    private var isLeaving = false

    private enum Command {
        case run(TunnelSpec, generation: Int, releaseFirst: Bool, done: CheckedContinuation<Void, Never>)
        case stop(done: CheckedContinuation<Void, Never>)
        /// Stop, and end the task when the last connection has.
        case leave(done: CheckedContinuation<Void, Never>)
        case retry
        case drained
    }

    private struct Drain {
        let connections: ConnectionGroup
        let deadline: Date
        let cut: Scheduled<Void>
    }

    init(id: InstanceID, spec: TunnelSpec, generation: Int, engine: TunnelEngine.Parts) {
        self.id = id
        group = engine.group
        board = StatusBoard(spec: spec, generation: generation, changed: engine.changed)
        tunnel = TunnelContext(
            id: id,
            spec: spec,
            dialer: engine.dialer,
            environment: engine.environment,
            log: TunnelLog(id: id, level: spec.log, sink: engine.logSink)
        )
        (commands, mailbox) = AsyncStream.makeStream(of: Command.self)
    }

    // MARK: What the engine calls

    nonisolated var status: TunnelStatus {
        var status = board.current
        tunnel.counters.fill(&status)
        return status
    }

    nonisolated func apply(_ spec: TunnelSpec, generation: Int, releaseFirst: Bool) async {
        await withCheckedContinuation { done in
            send(.run(spec, generation: generation, releaseFirst: releaseFirst, done: done))
        }
    }

    nonisolated func stop() async {
        await withCheckedContinuation { send(.stop(done: $0)) }
    }

    /// Returns when the listeners are closed; the task itself ends later, with the last connection.
    nonisolated func leave() async {
        await withCheckedContinuation { send(.leave(done: $0)) }
    }

    /// A command for a task that has ended needs nothing done any more.
    private nonisolated func send(_ command: Command) {
        guard case .terminated = mailbox.yield(command) else { return }
        switch command {
        case .run(_, _, _, let done), .stop(let done), .leave(let done): done.resume()
        case .retry, .drained: break
        }
    }

    // MARK: The task

    func run() async {
        for await command in commands {
            switch command {
            case .run(let spec, let generation, let releaseFirst, let done):
                await take(spec, generation: generation, releaseFirst: releaseFirst)
                done.resume()
            case .stop(let done):
                await close()
                done.resume()
            case .leave(let done):
                await close()
                isLeaving = true
                done.resume()
            case .retry:
                if wantsToRun { await listen(releaseFirst: false) }
            case .drained:
                settleDrains()
            }
            if isLeaving, draining.isEmpty { break }
        }
        mailbox.finish()
    }

    private func take(_ spec: TunnelSpec, generation: Int, releaseFirst: Bool) async {
        let isRestart = generation != board.current.generation
        if isRestart, wantsToRun { await close() }
        wantsToRun = true
        backoff.reset()
        retry?.cancel()
        tunnel.apply(spec)
        board.update { status in
            status.spec = spec
            status.generation = generation
            status.nextRetry = nil
        }
        await listen(releaseFirst: releaseFirst)
    }

    /// Makes the listeners be what the spec says: keeps those that stay, binds new ones, then lets the others go.
    private func listen(releaseFirst: Bool) async {
        let spec = board.current.spec
        do {
            let wanted = try Self.listenKeys(of: spec)
            if board.current.phase != .ready { board.move(to: .starting) }
            if releaseFirst { await release(except: wanted) }
            try await bind(wanted)
            await release(except: wanted)
            board.update { status in
                status.resolvedMode = TunnelMode.one.rawValue
                status.listening = wanted.compactMap { listeners[$0]?.address }
            }
            if board.current.phase != .ready {
                tunnel.log.write(.info, "Client started: \(spec.displayURL)")
            }
            backoff.reset()
            board.move(to: .ready)
        } catch {
            await failed(error)
        }
    }

    /// What a spec listens on, TCP first; throws what can not run at all.
    private static func listenKeys(of spec: TunnelSpec) throws(TunnelError) -> [ListenKey] {
        guard spec.role == .client, spec.mode != .two else {
            throw TunnelError(
                .notSupportedYet,
                "two-ended tunnels (server://, client mode dual) are not supported yet; a client with mode single (1) is"
            )
        }
        return TransportProtocol.allCases
            .filter(spec.protocols.contains)
            .map { ListenKey(endpoint: spec.tunnel, transport: $0) }
    }

    private func bind(_ wanted: [ListenKey]) async throws(TunnelError) {
        var port: UInt16?
        var bound: [Listener] = []
        for key in wanted {
            if let listener = listeners[key] {
                port = listener.address.port
                continue
            }
            do {
                let listener = try await Listener.bind(key, port: port, for: tunnel, on: group)
                bound.append(listener)
                port = listener.address.port
            } catch {
                for listener in bound { await listener.close() }
                throw error
            }
        }
        for listener in bound { listeners[listener.key] = listener }
    }

    private func release(except wanted: [ListenKey]) async {
        let leaving = listeners.values.filter { !wanted.contains($0.key) }
        guard !leaving.isEmpty else { return }
        for listener in leaving {
            listeners[listener.key] = nil
            await listener.close()
        }
        startDrain()
    }

    private func failed(_ error: TunnelError) async {
        tunnel.log.write(.error, "Client error: \(error.message)")
        guard !error.isTerminal else {
            await releaseAll()
            return board.move(to: .failed, error.reason, error.message)
        }
        var random = SystemRandomNumberGenerator()
        let delay = backoff.next(using: &random)
        board.update { $0.nextRetry = Date(timeIntervalSinceNow: delay / .seconds(1)) }
        board.move(to: .backoff, error.reason, error.message)
        retry = group.next().scheduleTask(in: TimeAmount(delay)) { [mailbox] in _ = mailbox.yield(.retry) }
    }

    private func close() async {
        wantsToRun = false
        retry?.cancel()
        await releaseAll()
        settleDrains()
    }

    private func releaseAll() async {
        await release(except: [])
        board.update { status in
            status.listening = []
            status.nextRetry = nil
        }
    }

    // MARK: Draining

    /// Gives every connection there is now the spec's drain time to finish.
    private func startDrain() {
        let connections = tunnel.retireGroup()
        guard connections.count > 0 else { return }
        let limit = board.current.spec.drain
        guard limit > .zero else { return connections.cut() }
        let cut = group.next().scheduleTask(in: TimeAmount(limit)) { connections.cut() }
        let deadline = Date(timeIntervalSinceNow: limit / .seconds(1))
        draining.append(Drain(connections: connections, deadline: deadline, cut: cut))
        showDrains()
        connections.whenEmpty { [mailbox] in _ = mailbox.yield(.drained) }
    }

    private func settleDrains() {
        for drain in draining where drain.connections.count == 0 { drain.cut.cancel() }
        draining.removeAll { $0.connections.count == 0 }
        showDrains()
        guard !wantsToRun else { return }
        if draining.isEmpty {
            if board.current.phase != .stopped { tunnel.log.write(.info, "Client shutdown complete") }
            board.move(to: .stopped)
        } else {
            board.move(to: .draining)
        }
    }

    private func showDrains() {
        let drains = draining
        board.update { status in
            status.drainingConnections = drains.reduce(0) { $0 + $1.connections.count }
            status.drainDeadline = drains.map(\.deadline).max()
        }
    }
}
