import Config
import NIOCore

/// The client's side of the pool: dials links one by one, proves each of them, and reads the id
/// that the server gives it.
///
/// How many to dial is its session's decision; when to try again after a failure is its own.
final class LinkFiller {
    enum Event {
        /// A dial has ended with a link of this id.
        case link(LinkID, LinkChannel, early: ByteBuffer)
        /// A dial has ended without a link.
        case failed
        /// The server cannot be trusted, or the like: no other dial would fare better.
        case refused(TunnelError)
        /// The wait after a failure is over.
        case mayDial
    }

    private let dialer: any LinkDialer
    private let tunnel: TunnelContext
    /// Nil where links need no proof.
    private let secret: SessionSecret?
    private var onEvent: ((Event) -> Void)?
    /// The number of the last link.
    private var number: UInt64
    private var failures = 0
    private var retry: Scheduled<Void>?
    /// A NodePass server rebinds its port after the handshake: until the control link is there, a
    /// failed dial is tried again at once.
    var isServerStarting = true

    init(
        dialer: any LinkDialer,
        tunnel: TunnelContext,
        secret: SessionSecret?,
        onEvent: @escaping (Event) -> Void
    ) {
        self.dialer = dialer
        self.tunnel = tunnel
        self.secret = secret
        number = LinkProof.number(0, route: secret?.linkRoute ?? 0)
        self.onEvent = onEvent
    }

    /// False while it waits after a failure.
    var canDial: Bool { onEvent != nil && retry == nil }

    /// Dials one link; an event comes of it.
    func dial() {
        // One of the first becomes the control link, without which there is no tunnel.
        let purpose: DescriptorPlan.Purpose = isServerStarting ? .tunnel : .link
        dialer.dial(on: tunnel.home, for: purpose).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let carrier): self.readID(of: carrier.value)
            case .failure(let error): self.failed(error)
            }
        }
    }

    /// Drops what still comes.
    func stop() {
        onEvent = nil
        retry?.cancel()
    }

    /// Ends the wait after a failure; the server has just been heard.
    func retryNow() {
        failures = 0
        guard let retry else { return }
        retry.cancel()
        self.retry = nil
        onEvent?(.mayDial)
    }

    private func readID(of carrier: LinkChannel) {
        guard onEvent != nil else { return carrier.channel.closeAtOnce() }
        if let secret {
            number += 1
            let proof = LinkProof(number: number, secret: secret, fingerprint: carrier.fingerprint)
            carrier.channel.writeAndFlush(ByteBuffer(bytes: proof.bytes), promise: nil)
        }
        let reader = ExactReader(length: 4, within: TimeAmount(TunnelLimits.linkIDWait)) { result in
            switch result {
            case .success((let bytes, let rest)):
                let id = LinkID(bytes.reduce(0) { $0 << 8 | UInt32($1) })
                self.identified(id, carrier, rest)
            case .failure(let error): self.failed(error)
            }
        }
        do {
            try carrier.channel.pipeline.syncOperations.addHandler(reader)
        } catch {
            carrier.channel.closeAtOnce()
            failed(error)
        }
    }

    private func identified(_ id: LinkID, _ carrier: LinkChannel, _ early: ByteBuffer) {
        guard let onEvent else { return carrier.channel.closeAtOnce() }
        failures = 0
        onEvent(.link(id, carrier, early: early))
    }

    private func failed(_ error: any Error) {
        guard let onEvent else { return }
        if let refusal = error as? TunnelError { return onEvent(.refused(refusal)) }
        failures += 1
        scheduleRetry(error)
        onEvent(.failed)
    }

    private func scheduleRetry(_ error: any Error) {
        guard retry == nil else { return }
        let environment = tunnel.environment
        let doublings = min(failures / 8, 10)
        let delay =
            isServerStarting
            ? TunnelLimits.redialAfterHandshake
            : min(environment.minPoolInterval * (1 << doublings), environment.maxPoolInterval)
        let milliseconds = TimeAmount(delay).nanoseconds / 1_000_000
        tunnel.log.write(.debug, "Link not made: \(ErrorText.words(for: error)); trying again in \(milliseconds) ms")
        retry = tunnel.home.assumeIsolated().scheduleTask(in: TimeAmount(delay)) {
            self.retry = nil
            self.onEvent?(.mayDial)
        }
    }
}
