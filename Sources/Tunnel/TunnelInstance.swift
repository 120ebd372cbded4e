import Config
import DequeModule
import NIOCore
import NIOPosix
import Synchronization

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// One tunnel's life: it takes commands one at a time, binds, hands over, drains, and tries again by itself.
///
/// All state is touched by the one task in `serve()`, which there is only while commands wait: a task keeps the memory of
/// its deepest call, and most tunnels have nothing to do for most of their life. Everybody else sends commands and reads
/// the status board.
actor TunnelInstance {
    nonisolated let id: InstanceID
    nonisolated let board: StatusBoard
    nonisolated let tunnel: TunnelContext
    private let group: any EventLoopGroup
    nonisolated let trust: ClientTrust
    /// Made by the first end that has links; on the home loop only.
    private nonisolated let boundExit: NIOLoopBoundBox<LinkExit?>
    private nonisolated let mailbox = Mutex(Mailbox())
    /// Has the engine call `serve()`.
    private nonisolated let attention: AsyncStream<TunnelInstance>.Continuation

    var listeners: [ListenKey: Listener] = [:]
    /// Connections of former runs that may still finish.
    private var draining: [Drain] = []
    var backoff = Backoff()
    /// Between attempts to meet the server, which come sooner after one another than other retries.
    var redial = Backoff(base: TunnelLimits.redialBase, cap: TunnelLimits.redialCap)
    var retry: Scheduled<Void>?
    var end: TunnelEnd?
    var endsMade = 0
    /// Which way a client's users came before it left an end: their listeners stay while the next one asks its server.
    var formerFlow: TunnelFlow?
    var certificateCheck: Scheduled<Void>?
    /// A server's certificate files as they were before they were last loaded.
    var certificateFiles: (files: CertificateFiles, state: CertificateFiles.State)?
    /// Which of the two `auto` has turned out to be; kept while the spec's mode is.
    private var decision: (spec: SessionIdentity, mode: TunnelMode)?
    private var wantsToRun = false
    private var isLeaving = false

    enum Command {
        case run(TunnelSpec, generation: Int, releaseFirst: Bool, done: CheckedContinuation<Void, Never>)
        case stop(done: CheckedContinuation<Void, Never>)
        /// Stop, and end the task when the last connection has.
        case leave(done: CheckedContinuation<Void, Never>)
        case retry
        case drained
        case report(EndReport, of: Int)
        /// A day has passed under the same certificate.
        case checkCertificate
        /// Certificate files that could not be used are the same still.
        case watchCertificate
    }

    private struct Mailbox {
        var waiting: Deque<Command> = []
        /// A task is in `serve()`, or will be.
        var isServed = false
        /// Nothing is taken any more.
        var hasEnded = false
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
        let home = engine.group.next()
        trust = engine.trust
        tunnel = TunnelContext(
            id: id,
            spec: spec,
            home: home,
            dialer: engine.dialer,
            descriptors: TunnelDescriptors(engine.descriptors),
            log: TunnelLog(id: id, spec: spec, sink: engine.logSink)
        )
        boundExit = .makeEmptyBox(eventLoop: home)
        attention = engine.attention
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

    /// A command to a tunnel whose life is over needs nothing done any more.
    nonisolated func send(_ command: Command) {
        let (isTaken, mustCall) = mailbox.withLock { mailbox in
            guard !mailbox.hasEnded else { return (false, false) }
            mailbox.waiting.append(command)
            defer { mailbox.isServed = true }
            return (true, !mailbox.isServed)
        }
        guard isTaken else { return command.settle() }
        if mustCall, case .terminated = attention.yield(self) { hangUp() }
    }

    private nonisolated func next() -> Command? {
        mailbox.withLock { mailbox in
            if let command = mailbox.waiting.popFirst() { return command }
            // A new one, since an empty one keeps its memory.
            mailbox = Mailbox(hasEnded: mailbox.hasEnded)
            return nil
        }
    }

    /// Takes no command from now on, and lets those go that wait.
    nonisolated func hangUp() {
        let waiting = mailbox.withLock { mailbox in
            mailbox.hasEnded = true
            defer { mailbox.waiting = [] }
            return mailbox.waiting
        }
        for command in waiting { command.settle() }
    }

    /// The exit of this tunnel's links, across sessions; on the home loop only.
    nonisolated var exit: LinkExit {
        if let exit = boundExit.value { return exit }
        let exit = LinkExit(tunnel: tunnel)
        boundExit.value = exit
        return exit
    }

    // MARK: The task

    /// Takes commands until none waits; true when the tunnel's life is over.
    func serve() async -> Bool {
        while let command = next() {
            await take(command)
            command.settle()
            if isLeaving, draining.isEmpty {
                hangUp()
                return true
            }
        }
        return false
    }

    private func take(_ command: Command) async {
        switch command {
        case .run(let spec, let generation, let releaseFirst, _):
            await take(spec, generation: generation, releaseFirst: releaseFirst)
        case .stop:
            await close()
        case .leave:
            await close()
            isLeaving = true
        case .retry:
            if wantsToRun { await proceed(releaseFirst: false) }
        case .report(let report, let number):
            if wantsToRun, number == end?.number { await handle(report) }
        case .checkCertificate: checkCertificate()
        case .watchCertificate: if board.current.phase == .failed { watchCertificate() }
        case .drained:
            settleDrains()
        }
    }

    private func take(_ spec: TunnelSpec, generation: Int, releaseFirst: Bool) async {
        let isRestart = generation != board.current.generation
        if isRestart, wantsToRun { await close() }
        wantsToRun = true
        backoff.reset()
        redial.reset()
        retry?.cancel()
        tunnel.apply(spec)
        board.update { status in
            status.spec = spec
            status.generation = generation
            status.nextRetry = nil
        }
        await proceed(releaseFirst: releaseFirst)
    }

    /// Makes the listeners be what the spec says: keeps those that stay, binds new ones, then lets the others go; and
    /// has the end of a two-ended tunnel that belongs to it.
    private func proceed(releaseFirst: Bool) async {
        let spec = board.current.spec
        do {
            try Self.check(spec)
            if board.current.phase != .ready, board.current.phase != .connecting { board.move(to: .starting) }
            if let end, end.identity != SessionIdentity(spec) { await leaveEnd() }
            let mode = try await resolveMode(spec, releaseFirst: releaseFirst)
            let wanted = listenKeys(of: spec, mode)
            if releaseFirst { await release(except: wanted) }
            if spec.role == .server || mode == .two { try await haveEnd(spec, mode) }
            try await bind(wanted)
            await release(except: wanted)
            board.update { $0.resolvedMode = mode.rawValue }
            showListeners(wanted)
            if spec.role == .client, mode == .one {
                backoff.reset()
                becomeReady(spec)
            } else {
                await meet()
            }
        } catch {
            await failed(error)
        }
    }

    func becomeReady(_ spec: TunnelSpec) {
        if board.current.phase != .ready { tunnel.log.write(.info, "\(roleName) started: \(spec.displayURL())") }
        board.move(to: .ready)
    }

    func showListeners(_ wanted: [ListenKey]) {
        board.update { status in
            status.listening = wanted.compactMap { listeners[$0]?.address }
            status.held = heldAddresses
        }
    }

    private var heldAddresses: Set<ListenAddress> {
        Set(listeners.keys.map { ListenAddress($0.endpoint, $0.transport) })
    }

    var roleName: String { board.current.spec.role == .server ? "Server" : "Client" }

    /// What can not run at all.
    private static func check(_ spec: TunnelSpec) throws(TunnelError) {
        guard spec.role == .server else { return }
        switch spec.transport {
        case .tcp: break
        case .quic, .websocket, .http2:
            throw TunnelError(
                .notSupportedYet,
                "type \(spec.transport.codeText) links are not supported yet; use type=0 (transport: tcp)"
            )
        case .unknown(let code):
            throw TunnelError(
                .invalidSpec,
                "unknown type '\(code)'; known are 0 (tcp), 1 (quic), 2 (websocket) and 3 (http2)"
            )
        }
    }

    /// What a spec listens on, TCP first.
    func listenKeys(of spec: TunnelSpec, _ mode: TunnelMode) -> [ListenKey] {
        func users(_ endpoint: Endpoint?, _ purpose: ListenKey.Purpose) -> [ListenKey] {
            guard let endpoint else { return [] }
            return TransportProtocol.allCases.filter(spec.protocols.contains).map {
                ListenKey(endpoint: endpoint, transport: $0, purpose: purpose)
            }
        }
        switch (spec.role, mode) {
        case (.client, .one): return users(spec.tunnel, .single)
        case (.client, _): return (end?.flow ?? formerFlow) == .forward ? users(spec.targets.first, .entry) : []
        case (.server, _):
            let meeting = ListenKey(endpoint: spec.tunnel, transport: .tcp, purpose: .meeting)
            return (mode == .one ? users(spec.targets.first, .entry) : []) + [meeting]
        }
    }

    /// The spec's mode, or what `auto` comes to: whoever can bind its users' address is the one that listens there.
    private func resolveMode(_ spec: TunnelSpec, releaseFirst: Bool) async throws(TunnelError) -> TunnelMode {
        guard spec.mode == .auto else { return spec.mode }
        let identity = SessionIdentity(spec)
        if let decision, decision.spec == identity { return decision.mode }
        let wanted = listenKeys(of: spec, .one)
        if releaseFirst { await release(except: wanted) }
        var mode = TunnelMode.one
        do {
            try await bind(wanted.filter { $0.purpose != .meeting })
        } catch {
            switch error.reason {
            case .portInUse, .addressNotAvailable, .nameNotResolved: mode = .two
            default: throw error
            }
        }
        decision = (identity, mode)
        return mode
    }

    func bind(_ wanted: [ListenKey]) async throws(TunnelError) {
        var attemptsLeft = TunnelLimits.portChoices
        while true {
            do {
                return try await bindOnce(wanted)
            } catch {
                // The system chose a TCP port whose UDP sibling somebody has: it may choose another.
                attemptsLeft -= 1
                let isChosen = wanted.contains { $0.endpoint.port == 0 && $0.transport == .udp }
                guard isChosen, error.reason == .portInUse, attemptsLeft > 0 else { throw error }
            }
        }
    }

    private func bindOnce(_ wanted: [ListenKey]) async throws(TunnelError) {
        var port: UInt16?
        var bound: [Listener] = []
        for key in wanted {
            if let listener = listeners[key] {
                if key.transport == .tcp { port = listener.address.port }
                continue
            }
            for other in listeners.keys where other.excludes(key) {
                await listeners.removeValue(forKey: other)?.close()
            }
            do {
                // A UDP socket of users follows its TCP sibling, whose port the system may have chosen.
                let listener = try await Listener.bind(
                    key,
                    port: key.transport == .udp ? port : nil,
                    for: tunnel,
                    on: group
                )
                bound.append(listener)
                if key.transport == .tcp { port = listener.address.port }
            } catch {
                for listener in bound { await listener.close() }
                throw error
            }
        }
        for listener in bound { listeners[listener.key] = listener }
    }

    func release(except wanted: [ListenKey]) async {
        let leaving = listeners.values.filter { !wanted.contains($0.key) }
        guard !leaving.isEmpty else { return }
        for listener in leaving {
            listeners[listener.key] = nil
            await listener.close()
        }
        startDrain()
    }

    func failed(_ error: TunnelError) async {
        tunnel.log.write(.error, "\(roleName) error: \(error.message)")
        guard !error.isTerminal else {
            await releaseAll()
            board.move(to: .failed, error.reason, error.message)
            return watchCertificate()
        }
        var random = SystemRandomNumberGenerator()
        let delay = error.reason == .peerUnreachable ? nextRedial(&random) : backoff.next(using: &random)
        board.update { status in
            status.nextRetry = Date(timeIntervalSinceNow: delay / .seconds(1))
            let left = listeners.values.map(\.address)
            status.listening.removeAll { !left.contains($0) }
            status.held = heldAddresses
        }
        board.move(to: .backoff, error.reason, error.message)
        retry = group.next().scheduleTask(in: TimeAmount(delay)) { self.send(.retry) }
    }

    /// Eager for the first minutes, so that a server that was restarted is met within a second.
    private func nextRedial(_ random: inout some RandomNumberGenerator) -> Duration {
        let isEager = redial.failures < TunnelLimits.redialEagerAttempts
        let delay = redial.next(using: &random)
        return isEager ? delay : max(delay, tunnel.environment.serviceCooldown)
    }

    private func close() async {
        wantsToRun = false
        retry?.cancel()
        await releaseAll()
        settleDrains()
    }

    private func releaseAll() async {
        await leaveEnd()
        formerFlow = nil
        await release(except: [])
        board.update { $0.nextRetry = nil }
        showListeners([])
    }

    // MARK: Draining

    /// Gives every connection there is now the spec's drain time to finish.
    func startDrain() {
        let connections = tunnel.retireGroup()
        guard connections.count > 0 else { return }
        let limit = board.current.spec.drain
        guard limit > .zero else { return connections.cut() }
        let cut = group.next().scheduleTask(in: TimeAmount(limit)) { connections.cut() }
        let deadline = Date(timeIntervalSinceNow: limit / .seconds(1))
        draining.append(Drain(connections: connections, deadline: deadline, cut: cut))
        showDrains()
        connections.whenEmpty { self.send(.drained) }
    }

    private func settleDrains() {
        for drain in draining where drain.connections.count == 0 { drain.cut.cancel() }
        draining.removeAll { $0.connections.count == 0 }
        showDrains()
        guard !wantsToRun else { return }
        if draining.isEmpty {
            if board.current.phase != .stopped { tunnel.log.write(.info, "\(roleName) shutdown complete") }
            board.move(to: .stopped)
        } else {
            board.move(to: .draining)
        }
    }

    private func showDrains() {
        board.show(draining: draining.map(\.connections), until: draining.map(\.deadline).max())
    }
}

extension TunnelInstance.Command {
    /// Lets whoever waits for it go on.
    fileprivate func settle() {
        switch self {
        case .run(_, _, _, let done), .stop(let done), .leave(let done): done.resume()
        case .retry, .drained, .report, .checkCertificate, .watchCertificate: break
        }
    }
}
