import Config
import NIOCore

/// Which kinds of links a client has lately tried in vain, so that its server chooses another one.
struct TransportMemory {
    private var retries: [PoolTransport: NIODeadline] = [:]

    /// Those that the server is not to choose now.
    func unreachable(now: NIODeadline) -> Set<PoolTransport> {
        Set(retries.filter { $0.value > now }.keys)
    }

    /// No link of this kind has come about.
    ///
    /// Where none of what the server offers has, all are tried again.
    mutating func failed(_ transport: PoolTransport, of offers: [PoolTransport], now: NIODeadline) {
        retries[transport] = now + TimeAmount(TunnelLimits.unreachableTransport)
        if unreachable(now: now).isSuperset(of: offers) { retries = [:] }
    }
}
