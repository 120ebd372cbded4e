import Config
import NIOCore

/// Decides what a tunnel does next: what it binds, which end it has, when it tries again, and what
/// it shows.
///
/// Decisions only. The driver (`TunnelInstance`) performs the actions in order. The last action of
/// a list may be a question (`bind`, `makeEnd`, `countDraining`). The driver gives its answer
/// before any other input, so that the life of a tunnel is one sequence of steps.
struct TunnelLife: Sendable {
    enum Input: Sendable {
        case run(Shared<TunnelSpec>, generation: Int, releaseFirst: Bool)
        case stop
        /// Stop, and be over when the last connection has finished.
        case leave
        /// Run again, although it was to leave.
        case comeBack(Shared<TunnelSpec>, generation: Int, releaseFirst: Bool)
        /// The time of this wait has passed.
        case waited(Int)
        /// Addresses of this machine have come or gone.
        case addressesChanged
        /// The certificate files of this wait have been looked at.
        case certificateLook(Int, hasChanged: Bool)
        /// What the end of this number reports.
        case report(EndReport, of: Int)
        /// Answers `bind`: all of them are bound, or none.
        case bound
        case bindFailed(TunnelError)
        /// Answers `makeEnd`.
        case endMade
        case endFailed(TunnelError)
        /// Answers `countDraining`, and comes whenever a former run's connections have finished.
        case draining(Int)
    }

    enum Action: Sendable, Hashable {
        /// Treat connections by this spec from now on.
        case apply(Shared<TunnelSpec>, generation: Int)
        /// Question: bind all of these, or none.
        case bind([ListenKey])
        case release([ListenKey])
        /// Let the connections there are now finish, up to this limit.
        case drain(limit: Duration)
        /// As `drain`, of a tunnel that leaves: they go on if it comes back before.
        case drainUntilReturn(limit: Duration)
        /// The connections of `drainUntilReturn` are those of the present run again.
        case takeBack
        /// Show a life that begins anew.
        case beginAnew
        /// Question: how many groups of connections still drain?
        case countDraining
        /// Question: make the end of this number; a server's with the flow that its mode means.
        case makeEnd(number: Int, serverFlow: TunnelFlow?)
        /// End the session for good; what it relays goes on.
        case leaveEnd
        /// The client's end tries once. `isRepeated` says that the last attempt ended the same way.
        case connect(isRepeated: Bool)
        /// Wait, instead of any former wait.
        case wait(Wait)
        case cancelWait
        case move(TunnelStep)
        case showRetry(after: Duration?)
        case showMode(TunnelMode)
        case showListeners([ListenKey])
        case log(LogLevel, LogSubject?, String)
        /// The command is done: its caller goes on.
        case settle
        /// Nothing is left to do, ever.
        case finish
    }

    /// A time to pass before something is tried again.
    struct Wait: Sendable, Hashable {
        enum Purpose: Sendable, Hashable {
            /// Then `waited`.
            case retry
            /// Then look at the certificate files, and answer with `certificateLook`.
            case certificateLook
        }

        let number: Int
        let after: Duration
        let purpose: Purpose
    }

    private enum Intent {
        case stopped
        case running
        case leaving
        case over
    }

    /// What the answer is awaited for.
    private enum Question {
        case bindToDecideMode([ListenKey], releaseFirst: Bool)
        case makeEnd(TunnelMode)
        case bind([ListenKey], TunnelMode)
        case bindEntry([ListenKey])
        /// The former run is closed; the next one begins.
        case countBeforeRun(Shared<TunnelSpec>, generation: Int, releaseFirst: Bool)
        case countAfterStop
    }

    private struct End {
        let number: Int
        let role: TunnelRole
        let identity: SessionIdentity
        /// Which way users come; a client learns it from its server.
        var flow: TunnelFlow?
    }

    /// What one input has led to so far.
    private struct Turn {
        var actions: [Action] = []
        /// What to try again after.
        var failure: TunnelError?
    }

    @Shared private(set) var spec: TunnelSpec
    private(set) var generation: Int
    private(set) var step = TunnelStep(phase: .stopped)
    /// What is bound, TCP first.
    private(set) var held: [ListenKey] = []
    private var end: End?
    private var endsMade = 0
    /// Which way a client's users came before it left an end: their listeners stay while the next
    /// end asks its server.
    private var formerFlow: TunnelFlow?
    /// Which of the two `auto` has turned out to be, for as long as the session's identity is the
    /// same.
    private var decision: (identity: SessionIdentity, mode: TunnelMode)?
    private var retries: RetryPlan
    private var readySince: NIODeadline?
    private var intent = Intent.stopped
    private var question: Question?
    private var hasCaller = false
    /// What it gives up now it would take back.
    private var isLeaving = false
    private var turn = Turn()

    init(spec: Shared<TunnelSpec>, generation: Int, environment: TunnelEnvironment) {
        _spec = spec
        self.generation = generation
        retries = RetryPlan(environment)
    }

    /// The number of the end that this life has, and of the wait that is running.
    var endNumber: Int? { end?.number }
    var waitNumber: Int? { retries.waiting }

    mutating func take(
        _ input: Input,
        now: NIODeadline,
        using random: inout some RandomNumberGenerator
    ) -> [Action] {
        decide(input, now)
        if let failure = turn.failure { retry(after: failure, &random) }
        readySince = step.phase == .ready ? readySince ?? now : nil
        if question == nil, hasCaller {
            hasCaller = false
            act(.settle)
        }
        if intent == .over { act(.finish) }
        defer { turn = Turn() }
        return turn.actions
    }

    private mutating func act(_ action: Action) {
        turn.actions.append(action)
    }

    private mutating func ask(_ action: Action, _ question: Question) {
        self.question = question
        act(action)
    }

    private mutating func takeQuestion() -> Question? {
        defer { question = nil }
        return question
    }

    private mutating func decide(_ input: Input, _ now: NIODeadline) {
        switch input {
        case .run(let spec, let generation, let releaseFirst):
            command { $0.run(spec, generation, releaseFirst) }
        case .stop: command { $0.close(.countAfterStop) }
        case .leave:
            command {
                $0.isLeaving = true
                $0.close(.countAfterStop)
                $0.intent = .leaving
            }
        case .comeBack(let spec, let generation, let releaseFirst):
            hasCaller = true
            if intent == .leaving { comeBack(spec, generation, releaseFirst) }
        case .waited(let number):
            if retries.ended(number) { tryAgain() }
        case .addressesChanged:
            let isConcerned = step.phase == .backoff && step.reason?.dependsOnNetwork == true
            guard isConcerned, retries.waiting != nil else { return }
            cancelWait()
            tryAgain()
        case .certificateLook(let number, let hasChanged):
            guard retries.ended(number) else { return }
            if hasChanged { tryAgain() } else { act(.wait(retries.certificateLook())) }
        case .report(let report, let number):
            if number == end?.number { handle(report, now) }
        case .bound: bound()
        case .bindFailed(let error): bindFailed(error)
        case .endMade: endMade()
        case .endFailed(let error):
            question = nil
            end = nil
            failed(error)
        case .draining(let count): stillDraining(count)
        }
    }

    /// A command to a life that is ending changes nothing: what it bound now nobody would release.
    private mutating func command(_ perform: (inout TunnelLife) -> Void) {
        hasCaller = true
        if intent == .stopped || intent == .running { perform(&self) }
    }
}

// MARK: - Running

extension TunnelLife {
    private mutating func run(_ spec: Shared<TunnelSpec>, _ generation: Int, _ releaseFirst: Bool) {
        if generation != self.generation, intent == .running {
            close(.countBeforeRun(spec, generation: generation, releaseFirst: releaseFirst))
        } else {
            begin(spec, generation, releaseFirst)
        }
    }

    /// What a change of this kind leaves alone goes on as if the tunnel had never left.
    private mutating func comeBack(_ spec: Shared<TunnelSpec>, _ generation: Int, _ releaseFirst: Bool) {
        isLeaving = false
        let change = self.spec.changes(to: spec.wrappedValue).map(\.class).max() ?? .meta
        if change < .session { act(.takeBack) }
        step = TunnelStep(phase: .stopped)
        act(.beginAnew)
        begin(spec, generation, releaseFirst)
    }

    private mutating func begin(_ spec: Shared<TunnelSpec>, _ generation: Int, _ releaseFirst: Bool) {
        intent = .running
        retries.reset()
        cancelWait()
        _spec = spec
        self.generation = generation
        act(.apply(spec, generation: generation))
        start(releaseFirst: releaseFirst)
    }

    /// It stays in backoff until it has come further: an attempt is no news.
    private mutating func tryAgain() {
        if step.phase == .backoff { act(.showRetry(after: nil)) }
        start(releaseFirst: false, isRetry: step.phase == .backoff)
    }

    /// Makes the tunnel be what the spec says: keeps the listeners that stay, binds new ones, lets
    /// the others go, and has the end of a two-ended tunnel that belongs to it.
    private mutating func start(releaseFirst: Bool, isRetry: Bool = false) {
        if let problem = Self.problem(of: spec) { return failed(problem) }
        if !isRetry, step.phase != .ready, step.phase != .connecting { move(.starting) }
        let identity = SessionIdentity(spec)
        if let end, end.identity != identity { leaveEnd() }
        guard spec.mode == .auto else { return prepare(spec.mode, releaseFirst) }
        if let decision, decision.identity == identity { return prepare(decision.mode, releaseFirst) }
        // Whichever end can bind the users' address is the one that listens there.
        let wanted = listenKeys(.one)
        if releaseFirst { release(except: wanted) }
        bind(wanted.filter { $0.purpose != .links }) { .bindToDecideMode($0, releaseFirst: releaseFirst) }
    }

    /// What cannot run at all.
    static func problem(of spec: TunnelSpec) -> TunnelError? {
        guard spec.role == .server else { return nil }
        if case .unknown(let code) = spec.transport {
            let message = "unknown type '\(code)'; known are 0 (tcp), 1 (quic), 2 (websocket) and 3 (http2)"
            return TunnelError(.invalidSpec, message)
        }
        let isMissing = spec.transports.contains(.quic) && !QUICLink.isBuilt
        return isMissing ? TunnelError(.notSupportedYet, QUICLink.missing) : nil
    }

    private func listenKeys(_ mode: TunnelMode) -> [ListenKey] {
        ListenKey.keys(of: spec, mode, flow: end?.flow ?? formerFlow)
    }

    /// The mode is known: the end is made first, because connections come as soon as a port is
    /// bound.
    private mutating func prepare(_ mode: TunnelMode, _ releaseFirst: Bool) {
        let wanted = listenKeys(mode)
        if releaseFirst { release(except: wanted) }
        guard end == nil, spec.role == .server || mode == .two else { return bind(wanted) { .bind($0, mode) } }
        endsMade += 1
        let flow: TunnelFlow? = spec.role == .client ? nil : mode == .one ? .reverse : .forward
        end = End(number: endsMade, role: spec.role, identity: SessionIdentity(spec), flow: flow)
        ask(.makeEnd(number: endsMade, serverFlow: flow), .makeEnd(mode))
    }

    private mutating func endMade() {
        guard case .makeEnd(let mode)? = takeQuestion() else { return }
        // It takes over from one whose session has just ended.
        if step.phase == .ready { move(.connecting) }
        bind(listenKeys(mode)) { .bind($0, mode) }
    }

    /// Binds those of the keys that are not bound yet.
    ///
    /// What is in their way goes first, because one address cannot have two purposes.
    private mutating func bind(_ wanted: [ListenKey], _ question: ([ListenKey]) -> Question) {
        let missing = wanted.filter { !held.contains($0) }
        let inTheWay = held.filter { key in missing.contains { $0.excludes(key) } }
        if !inTheWay.isEmpty {
            held.removeAll(where: inTheWay.contains)
            act(.release(inTheWay))
        }
        guard missing.isEmpty else { return ask(.bind(missing), question(missing)) }
        self.question = question([])
        bound()
    }

    private mutating func bound() {
        switch takeQuestion() {
        case .bindToDecideMode(let keys, let releaseFirst):
            held += keys
            decided(.one, releaseFirst)
        case .bind(let keys, let mode):
            held += keys
            allBound(mode)
        case .bindEntry(let keys):
            held += keys
            keepOnly(listenKeys(.two))
            becomeReady()
        case .makeEnd, .countBeforeRun, .countAfterStop, nil: break
        }
    }

    private mutating func bindFailed(_ error: TunnelError) {
        switch (takeQuestion(), error.reason) {
        case (.bindToDecideMode(_, let releaseFirst), .portInUse),
            (.bindToDecideMode(_, let releaseFirst), .addressNotAvailable),
            (.bindToDecideMode(_, let releaseFirst), .nameNotResolved):
            decided(.two, releaseFirst)
        case (.bindEntry, _):
            leaveEnd()
            failed(error)
        default: failed(error)
        }
    }

    private mutating func decided(_ mode: TunnelMode, _ releaseFirst: Bool) {
        decision = (SessionIdentity(spec), mode)
        prepare(mode, releaseFirst)
    }

    private mutating func allBound(_ mode: TunnelMode) {
        act(.showMode(mode))
        keepOnly(listenKeys(mode))
        if spec.role == .client, mode == .one {
            retries.succeeded()
            return becomeReady()
        }
        // A server that is bound has done its part; a client has to reach its server first.
        if step.phase == .starting || spec.role == .server && step.phase == .backoff { move(.connecting) }
        if spec.role == .client { act(.connect(isRepeated: step.reason == .standby)) }
    }

    private mutating func becomeReady() {
        if step.phase != .ready { act(.log(.info, .started, "\(roleName) started: \(spec.displayURL())")) }
        act(.showRetry(after: nil))
        move(.ready)
    }

    private var roleName: String { spec.role == .server ? "Server" : "Client" }

    private mutating func move(_ phase: TunnelPhase, _ error: TunnelError? = nil) {
        step = TunnelStep(phase: phase, reason: error?.reason, message: error?.message ?? "")
        act(.move(step))
    }

    private mutating func keepOnly(_ wanted: [ListenKey]) {
        release(except: wanted)
        held = wanted
        act(.showListeners(held))
    }

    private mutating func release(except wanted: [ListenKey]) {
        let leaving = held.filter { !wanted.contains($0) }
        guard !leaving.isEmpty else { return }
        held.removeAll(where: leaving.contains)
        act(.release(leaving))
        drain()
    }

    private mutating func drain() {
        act(isLeaving ? .drainUntilReturn(limit: spec.drain) : .drain(limit: spec.drain))
    }

    private mutating func leaveEnd() {
        guard let former = end else { return }
        end = nil
        if former.role == .client { formerFlow = former.flow ?? formerFlow }
        act(.leaveEnd)
        drain()
    }
}

// MARK: - What the end reports

extension TunnelLife {
    private mutating func handle(_ report: EndReport, _ now: NIODeadline) {
        switch report {
        case .established(let flow):
            end?.flow = flow
            // A client learns only now whether users come in here.
            if spec.role == .client { bind(listenKeys(.two)) { .bindEntry($0) } } else { becomeReady() }
        case .rejected(let error):
            guard step.phase == .connecting, step.message != error.message else { return }
            keepConnecting(error)
        case .lost(let error):
            if let readySince, now - readySince > TimeAmount(TunnelLimits.stableSession) { retries.reset() }
            // A server has nothing to try again: its port stays open, and the client comes back.
            if spec.role == .client { failed(error) } else { keepConnecting(error) }
        }
    }

    private mutating func keepConnecting(_ error: TunnelError) {
        act(.log(.error, .failing(error.reason), "Server error: \(error.message)"))
        move(.connecting, error)
    }
}

// MARK: - Failing and stopping

extension TunnelLife {
    private mutating func failed(_ error: TunnelError) {
        if error.reason == .standby {
            standBy(error)
        } else {
            act(.log(.error, .failing(error.reason), "\(roleName) error: \(error.message)"))
        }
        guard error.isTerminal else {
            turn.failure = error
            return
        }
        releaseAll()
        cancelWait()
        move(.failed, error)
        let hasFiles = spec.role == .server && CertificateFiles(spec.tls ?? .off) != nil
        if error.reason == .certificateInvalid, hasFiles { act(.wait(retries.certificateLook())) }
    }

    /// Another client has the tunnel, which is not a failure: said once, then asked again in
    /// silence.
    private mutating func standBy(_ error: TunnelError) {
        guard step.reason != .standby || step.message != error.message else { return }
        act(.log(.info, .standby, error.message))
        move(.connecting, error)
    }

    private mutating func retry(after error: TunnelError, _ random: inout some RandomNumberGenerator) {
        let wait = retries.retry(after: error.reason, using: &random)
        if error.reason != .standby {
            act(.showListeners(held))
            act(.showRetry(after: wait.after))
            move(.backoff, error)
        }
        act(.wait(wait))
    }

    private mutating func cancelWait() {
        if retries.cancel() { act(.cancelWait) }
    }

    private mutating func close(_ question: Question) {
        intent = .stopped
        cancelWait()
        releaseAll()
        ask(.countDraining, question)
    }

    private mutating func releaseAll() {
        leaveEnd()
        formerFlow = nil
        release(except: [])
        act(.showRetry(after: nil))
        act(.showListeners([]))
    }

    /// Connections of former runs: a tunnel that stops is stopped when they have finished.
    private mutating func stillDraining(_ count: Int) {
        if intent != .running {
            if count == 0, step.phase != .stopped { act(.log(.info, nil, "\(roleName) shutdown complete")) }
            move(count == 0 ? .stopped : .draining)
        }
        if case .countBeforeRun(let spec, let generation, let releaseFirst)? = takeQuestion() {
            begin(spec, generation, releaseFirst)
        }
        if intent == .leaving, count == 0 { intent = .over }
    }
}
