import Config
import NIOCore

/// A session's control link: absent until its channel comes, then the way signals go, and the beat
/// of the session.
///
/// What to do about signals is `ControlState`'s decision, and the session performs it.
final class ControlLink {
    enum Event {
        case opened
        /// The peer has answered a ping.
        case answered
        case effects([ControlState.Effect])
        /// A report interval has passed.
        case beat
        /// The channel has closed.
        case closed(TunnelError)
        /// The channel never came, or what came over it cannot be trusted.
        case failed(TunnelError)
    }

    var state: ControlState
    private let tunnel: TunnelContext
    private let codec: SignalCodec
    private let began: NIODeadline
    private var handler: ControlHandler?
    private var heartbeat: Scheduled<Void>?
    private var pulse: Scheduled<Void>?
    private var deadline: Scheduled<Void>?
    private var onEvent: ((Event) -> Void)?

    /// `began` is when the handshake started.
    init(state: ControlState, codec: SignalCodec, tunnel: TunnelContext, began: NIODeadline) {
        self.state = state
        self.codec = codec
        self.tunnel = tunnel
        self.began = began
    }

    var isOpen: Bool { handler != nil }

    /// Begins to wait for the channel; without one in time the session ends.
    ///
    /// `hasAlternative` says that the server offers links of another kind, too.
    func start(hasAlternative: Bool, _ onEvent: @escaping (Event) -> Void) {
        self.onEvent = onEvent
        let patience = TimeAmount(
            hasAlternative
                ? TunnelLimits.alternativePatience
                : tunnel.environment.handshakeTimeout + tunnel.environment.poolGetTimeout
        )
        deadline = tunnel.home.assumeIsolated().scheduleTask(in: patience) {
            let seconds = patience.nanoseconds / 1_000_000_000
            self.onEvent?(.failed(TunnelError(.peerUnreachable, "no link to the peer within \(seconds) s")))
        }
    }

    /// The channel is here, and `early` has been read from it already.
    func open(_ carrier: LinkChannel, early: ByteBuffer) throws {
        deadline?.cancel()
        let handler = ControlHandler(codec: codec, queueLimit: tunnel.environment.semaphoreLimit) { event in
            self.handle(event)
        }
        self.handler = handler
        try carrier.channel.pipeline.syncOperations.addHandler(handler)
        try carrier.channel.readFreely()
        carrier.channel.boundRetransmission()
        let milliseconds = (NIODeadline.now() - began).nanoseconds / 1_000_000
        tunnel.log.write(.info, .handshakeDone, "Marking tunnel handshake as complete in \(milliseconds)ms")
        if state.owesVerify { tunnel.log.write(.info, .verification, "TLS certificate fingerprint verifying...") }
        onEvent?(.opened)
        scheduleBeat()
        if early.readableBytes > 0 { handler.receive(early) }
    }

    /// Nothing is sent before the channel is here.
    func send(_ signal: Signal) {
        handler?.send(signal)
    }

    /// Closes the channel; no event comes any more.
    func close() {
        onEvent = nil
        heartbeat?.cancel()
        pulse?.cancel()
        deadline?.cancel()
        handler?.close()
    }

    /// Has the state's `pulse` decide after this time.
    func schedulePulse(after delay: TimeAmount) {
        guard onEvent != nil else { return }
        pulse = tunnel.home.assumeIsolated().scheduleTask(in: delay) {
            self.onEvent?(.effects(self.state.pulse(now: .now())))
        }
    }

    private func scheduleBeat() {
        guard onEvent != nil else { return }
        let interval = TimeAmount(tunnel.environment.reportInterval)
        heartbeat = tunnel.home.assumeIsolated().scheduleTask(in: interval) {
            self.onEvent?(.beat)
            self.scheduleBeat()
        }
    }

    private func handle(_ event: ControlHandler.Event) {
        switch event {
        case .signal(let signal):
            if case .pong = signal { onEvent?(.answered) }
            onEvent?(.effects(state.received(signal, now: .now())))
        case .badLine(.forged):
            tunnel.counters.countRejected()
            onEvent?(
                .failed(TunnelError(.authFailed, "the control link carries a line that was not sealed by the peer"))
            )
        case .badLine(let problem):
            tunnel.counters.countRejected()
            tunnel.log.write(.warn, .badLine, "Control line skipped: \(problem)")
            onEvent?(.effects(state.receivedGarbage(now: .now())))
        case .ended(let why): onEvent?(.closed(TunnelError(.peerUnreachable, why)))
        }
    }
}
