import Config
import NIOCore

/// The client's side of the pool: as many links as are wanted.
extension Session {
    /// Dials as many links as the pool wants now; the server never does.
    func refill() {
        guard let dialer, !hasEnded, redial == nil else { return }
        pool.resize(PoolBounds(min: tunnel.admission().plan.pool.min, max: terms.max))
        let waiting = isEntry ? entrance.waiting + spared : 0
        for number in 0..<pool.dials(waiting: waiting) {
            // One of the first becomes the control link, without which there is no tunnel.
            let purpose: DescriptorPlan.Purpose = hasControl || number > 0 ? .link : .tunnel
            dialer.dial(on: loop, for: purpose).assumeIsolated().whenComplete { result in
                switch result {
                case .success(let carrier):
                    guard !self.hasEnded else { return carrier.value.channel.closeAtOnce() }
                    self.readID(of: carrier.value)
                case .failure(let error):
                    self.pool.dialEnded()
                    self.dialFailed(error)
                }
            }
        }
    }

    /// Tries again after a while: soon at first, because a NodePass server rebinds its port after the handshake.
    func dialFailed(_ error: any Error) {
        guard !hasEnded else { return }
        if let refusal = error as? TunnelError { return end(refusal) }
        failedDials += 1
        guard redial == nil else { return }
        let environment = tunnel.environment
        let delay: TimeAmount =
            hasControl
            ? min(
                TimeAmount(environment.minPoolInterval) * (1 << min(failedDials / 8, 10)),
                TimeAmount(environment.maxPoolInterval)
            )
            : TimeAmount(TunnelLimits.redialAfterHandshake)
        tunnel.log.write(.debug, "Link not made: \(error); trying again in \(delay.nanoseconds / 1_000_000) ms")
        redial = loop.assumeIsolated().scheduleTask(in: delay) {
            self.redial = nil
            self.refill()
        }
    }
}
