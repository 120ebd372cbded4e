import Config
import DequeModule
import FoundationEssentials
import NIOCore
import NIOPosix
import Synchronization

/// One tunnel of the engine: performs what `TunnelLife` decides, one command at a time.
///
/// All state is touched by the one task in `handleCommands()`, which there is only while commands
/// wait: a task keeps the memory of its deepest call, and most tunnels have nothing to do for most
/// of their life. Every other caller sends commands and reads the status board.
actor TunnelInstance {
    nonisolated let tunnel: TunnelContext
    private nonisolated let board: StatusBoard
    private nonisolated let mailbox = Mutex(Mailbox())
    /// Has the engine call `handleCommands()`.
    private nonisolated let wakeUps: AsyncStream<TunnelInstance>.Continuation
    private let ends: EndFactory

    private var life: TunnelLife
    private var listeners: ListenerSet
    private var drains = Drains()
    private var end: TunnelEnd?
    private var wait: Scheduled<Void>?
    /// A server's certificate files as they were before they were last loaded.
    private var certificateFiles: (files: CertificateFiles, state: CertificateFiles.State)?

    private struct Command {
        let kind: Kind
        /// Hears whether the command was handled; not when the tunnel's life was over before.
        var caller: CheckedContinuation<Bool, Never>?

        enum Kind {
            case input(TunnelLife.Input)
            /// Connections of a former run have finished.
            case countDraining
            /// None of them may last longer than this.
            case hurry(Duration)
        }

        /// Lets its caller go on.
        func settle(isHandled: Bool) {
            caller?.resume(returning: isHandled)
        }
    }

    private struct Mailbox {
        var waiting: Deque<Command> = []
        /// A task is in `handleCommands()`, or will be.
        var isHandled = false
        /// No more commands are taken.
        var hasEnded = false
    }

    init(
        id: InstanceID,
        spec: TunnelSpec,
        generation: Int,
        incarnation: Int,
        home: any EventLoop,
        engine: TunnelEngine.Parts
    ) {
        let spec = Shared(wrappedValue: spec)
        board = StatusBoard(
            spec: spec,
            generation: generation,
            incarnation: incarnation,
            changed: engine.changed
        )
        tunnel = TunnelContext(
            id: id,
            spec: spec.wrappedValue,
            home: home,
            dialer: engine.dialer,
            descriptors: TunnelDescriptors(engine.descriptors),
            log: TunnelLog(id: id, spec: spec.wrappedValue, sink: engine.logSink),
            unproven: engine.unproven,
            datagramRoom: engine.datagramRoom,
            reactors: engine.reactors,
            peers: engine.peers
        )
        wakeUps = engine.wakeUps
        ends = EndFactory(tunnel: tunnel, board: board, trust: engine.trust)
        life = TunnelLife(spec: spec, generation: generation, environment: tunnel.environment)
        listeners = ListenerSet(tunnel: tunnel, group: engine.group, board: engine.board, ports: engine.ports)
    }

    // MARK: What the engine calls

    nonisolated var status: TunnelStatus {
        var status = board.current
        tunnel.counters.fill(&status)
        status.targets = tunnel.targetHealth
        status.targetFailures = tunnel.targetFailures
        status.peer = tunnel.peer
        return status
    }

    nonisolated func run(_ spec: TunnelSpec, generation: Int, releaseFirst: Bool) async {
        await command(.run(Shared(wrappedValue: spec), generation: generation, releaseFirst: releaseFirst))
    }

    /// Runs a tunnel again that was to leave; false when its life was over before.
    nonisolated func comeBack(_ spec: TunnelSpec, generation: Int, releaseFirst: Bool) async -> Bool {
        await command(.comeBack(Shared(wrappedValue: spec), generation: generation, releaseFirst: releaseFirst))
    }

    nonisolated func stop() async {
        await command(.stop)
    }

    /// Returns when the listeners are closed; the task itself ends later, with the last connection.
    nonisolated func leave() async {
        await command(.leave)
    }

    /// An address that it waits for may be there now.
    nonisolated func addressesChanged() {
        let (phase, reason) = (status.phase, status.reason)
        if phase == .backoff, reason?.dependsOnNetwork == true { send(.addressesChanged) }
    }

    /// Cuts connections that drain after this long, whatever the tunnel's own limit.
    nonisolated func hurry(_ limit: Duration) {
        send(Command(kind: .hurry(limit)))
    }

    @discardableResult
    private nonisolated func command(_ input: TunnelLife.Input) async -> Bool {
        await withCheckedContinuation { send(Command(kind: .input(input), caller: $0)) }
    }

    private nonisolated func send(_ input: TunnelLife.Input) {
        send(Command(kind: .input(input)))
    }

    /// A command to a tunnel whose life is over needs nothing done any more.
    private nonisolated func send(_ command: Command) {
        let (isTaken, mustWake) = mailbox.withLock { mailbox in
            guard !mailbox.hasEnded else { return (false, false) }
            mailbox.waiting.append(command)
            defer { mailbox.isHandled = true }
            return (true, !mailbox.isHandled)
        }
        guard isTaken else { return command.settle(isHandled: false) }
        if mustWake, case .terminated = wakeUps.yield(self) { hangUp() }
    }

    private nonisolated func next() -> Command? {
        mailbox.withLock { mailbox in
            if let command = mailbox.waiting.popFirst() { return command }
            // A new one, since an empty one keeps its memory.
            mailbox = Mailbox(hasEnded: mailbox.hasEnded)
            return nil
        }
    }

    /// Takes no command from now on, and lets the callers of those that wait go on.
    private nonisolated func hangUp() {
        let waiting = mailbox.withLock { mailbox in
            mailbox.hasEnded = true
            defer { mailbox.waiting = [] }
            return mailbox.waiting
        }
        for command in waiting { command.settle(isHandled: false) }
    }

    // MARK: The task

    /// Handles commands until none waits; true when the tunnel's life is over.
    func handleCommands() async -> Bool {
        var isOver = false
        while let command = next() {
            var input: TunnelLife.Input? =
                switch command.kind {
                case .input(let input): input
                case .countDraining: countDraining()
                case .hurry(let limit): hurry(limit)
                }
            // A list of actions may end with a question, whose answer is the next input.
            while let given = input {
                input = nil
                for action in decide(given) {
                    switch action {
                    case .settle: command.settle(isHandled: true)
                    case .finish: isOver = true
                    default: input = await perform(action)
                    }
                }
            }
            if isOver {
                hangUp()
                return true
            }
        }
        return false
    }

    private func decide(_ input: TunnelLife.Input) -> [TunnelLife.Action] {
        var random = SystemRandomNumberGenerator()
        return life.take(input, now: .now(), using: &random)
    }

    /// Performs one action; the answer when it is a question.
    private func perform(_ action: TunnelLife.Action) async -> TunnelLife.Input? {
        switch action {
        case .apply(let spec, let generation): apply(spec, generation)
        case .bind(let keys): return await bind(keys)
        case .release(let keys): await release(keys)
        case .drain(let limit): drain(limit, mayReturn: false)
        case .drainUntilReturn(let limit): drain(limit, mayReturn: true)
        case .takeBack: takeBack()
        case .beginAnew: board.beginAnew()
        case .countDraining: return countDraining()
        case .makeEnd(let number, let flow): return await makeEnd(number, flow)
        case .leaveEnd: await leaveEnd()
        case .connect(let isRepeated): await end?.connect(isRepeated: isRepeated)
        case .wait(let next): schedule(next)
        case .cancelWait: wait?.cancel()
        case .move(let step): board.move(to: step)
        case .showRetry(let delay):
            board.update { $0.nextRetry = delay.map { Date(timeIntervalSinceNow: $0 / .seconds(1)) } }
        case .showMode(let mode): board.update { $0.resolvedMode = mode.rawValue }
        case .showListeners(let keys): show(keys)
        case .log(let level, let subject?, let message): tunnel.log.write(level, subject, message)
        case .log(let level, nil, let message): tunnel.log.write(level, message)
        case .settle, .finish: break
        }
        return nil
    }

    private func apply(_ spec: Shared<TunnelSpec>, _ generation: Int) {
        // Who restarts a tunnel may do so because a name has moved.
        if generation != board.current.generation {
            tunnel.dialer.resolver.forget(spec.wrappedValue.targets + [spec.wrappedValue.tunnel])
        }
        tunnel.apply(spec.wrappedValue)
        board.update { status in
            status.take(spec, generation: generation)
            status.nextRetry = nil
        }
    }

    private func bind(_ keys: [ListenKey]) async -> TunnelLife.Input {
        var changed = listeners
        defer { listeners = changed }
        do {
            try await changed.bind(keys)
            return .bound
        } catch {
            return .bindFailed(error)
        }
    }

    private func release(_ keys: [ListenKey]) async {
        var changed = listeners
        await changed.release(keys)
        listeners = changed
    }

    private func show(_ keys: [ListenKey]) {
        board.update { status in
            status.listening = listeners.addresses(of: keys)
            status.held = listeners.held
        }
    }

    private func makeEnd(_ number: Int, _ serverFlow: TunnelFlow?) async -> TunnelLife.Input {
        let spec = life.spec
        let report: @Sendable (EndReport) -> Void = { [weak self] in self?.send(.report($0, of: number)) }
        guard let serverFlow else {
            end = await ends.makeClient(spec, report)
            return .endMade
        }
        certificateFiles = CertificateFiles(spec.tls ?? .off).map { ($0, $0.state) }
        do {
            end = try await ends.makeServer(spec, serverFlow, report)
            return .endMade
        } catch {
            return .endFailed(error)
        }
    }

    private func leaveEnd() async {
        await end?.stop()
        end = nil
        board.update { $0.certificate = nil }
    }

    private func drain(_ limit: Duration, mayReturn: Bool) {
        for former in tunnel.retireGroups() {
            guard drains.add(former, limit: limit, mayReturn: mayReturn, on: tunnel.home) else { continue }
            showDrains()
            former.whenEmpty { self.send(Command(kind: .countDraining)) }
        }
    }

    private func takeBack() {
        let groups = drains.takeBack()
        tunnel.takeBack(groups)
        showDrains()
        let count = groups.reduce(0) { $0 + $1.count }
        if count > 0 { tunnel.log.write(.info, "The tunnel is back: \(count) connections that drained go on") }
    }

    private func hurry(_ limit: Duration) -> TunnelLife.Input? {
        drains.shorten(to: limit, on: tunnel.home)
        showDrains()
        return nil
    }

    private func countDraining() -> TunnelLife.Input {
        drains.removeFinished()
        showDrains()
        return .draining(drains.count)
    }

    private func showDrains() {
        board.show(draining: drains.connections, until: drains.deadline)
    }

    private func schedule(_ next: TunnelLife.Wait) {
        wait?.cancel()
        wait = tunnel.home.scheduleTask(in: TimeAmount(next.after)) { [weak self, certificateFiles] in
            switch next.purpose {
            case .retry: self?.send(.waited(next.number))
            case .certificateLook:
                // Looking may wait for a slow disk, which event loops must not.
                NIOThreadPool.singleton.submit { [weak self] _ in
                    let hasChanged = certificateFiles.map { $0.files.state != $0.state } ?? false
                    self?.send(.certificateLook(next.number, hasChanged: hasChanged))
                }
            }
        }
    }
}
