import Config
import Glibc
import NIOCore
import Synchronization

/// Turns host names into addresses, off the event loops, and remembers them for as long as each
/// tunnel asks.
///
/// Literal addresses need neither. Everyone who waits for a name shares one look-up and waits a
/// limited time; `NameCache` decides the rest.
final class TargetResolver: Sendable {
    typealias Lookup = @Sendable (_ host: String) throws -> [SocketAddress]

    private struct State {
        var names = NameCache()
        var waiting: [String: [Int: EventLoopPromise<[SocketAddress]>]] = [:]
        var nextWaiter = 0
    }

    private let state = Mutex(State())
    private let threads: LookUpThreads
    private let patience: TimeAmount
    private let lookup: Lookup

    init(
        threads: LookUpThreads = LookUpThreads(),
        patience: Duration = TunnelLimits.lookUpWait,
        lookup: @escaping Lookup = TargetResolver.systemLookup
    ) {
        self.threads = threads
        self.patience = TimeAmount(patience)
        self.lookup = lookup
    }

    /// Every address of the endpoint's host, in the system's order of preference, with the
    /// endpoint's port.
    ///
    /// An empty host is this machine. Fails with `TunnelError` (`NameNotResolved`).
    func resolve(_ endpoint: Endpoint, ttl: Duration, on loop: any EventLoop) -> EventLoopFuture<[SocketAddress]> {
        if let literal = Self.literal(endpoint) { return loop.makeSucceededFuture([literal]) }
        let (host, port) = (endpoint.lookUpHost, Int(endpoint.port))
        return addresses(of: host, ttl: TimeAmount(ttl), on: loop).map { $0.map { $0.with(port: port) } }
    }

    /// Says that nothing answered at the endpoint's known addresses: the next one who asks waits
    /// for a fresh look-up.
    func doubt(_ endpoint: Endpoint) {
        guard Self.literal(endpoint) == nil else { return }
        state.withLock { $0.names.doubt(endpoint.lookUpHost) }
    }

    /// Has these looked up again for the next one who asks; without `endpoints`, every name.
    ///
    /// What was known last still serves when the look-up fails.
    func forget(_ endpoints: [Endpoint]? = nil) {
        state.withLock { state in
            guard let endpoints else { return state.names.forgetAll() }
            for endpoint in endpoints { state.names.forget(endpoint.lookUpHost) }
        }
    }

    /// Has those looked up again for the next one who asks whose last look-up failed.
    func forgetFailures() {
        state.withLock { $0.names.forgetFailures() }
    }

    /// The address of an endpoint that is not a name, which needs no look-up.
    static func literal(_ endpoint: Endpoint) -> SocketAddress? {
        let host = endpoint.host.isEmpty ? "127.0.0.1" : endpoint.host
        return try? SocketAddress(ipAddress: host, port: Int(endpoint.port))
    }

    private func addresses(of host: String, ttl: TimeAmount, on loop: any EventLoop) -> EventLoopFuture<[SocketAddress]>
    {
        let promise = loop.makePromise(of: [SocketAddress].self)
        let (answer, waiter) = state.withLock { state in
            let answer = state.names.ask(host, ttl: ttl, now: .now())
            let waiter = state.nextWaiter
            if case .wait = answer {
                state.nextWaiter += 1
                state.waiting[host, default: [:]][waiter] = promise
            }
            return (answer, waiter)
        }
        switch answer {
        case .addresses(let addresses, let mustLookUp):
            promise.succeed(addresses)
            if mustLookUp { lookUp(host) }
        case .failed(let problem): promise.fail(Self.notResolved(host, problem))
        case .wait(let mustLookUp):
            let deadline = loop.scheduleTask(in: patience) { self.giveUp(waiter, host) }
            promise.futureResult.whenComplete { _ in deadline.cancel() }
            if mustLookUp { lookUp(host) }
        }
        return promise.futureResult
    }

    private func giveUp(_ waiter: Int, _ host: String) {
        let (promise, known) = state.withLock { state in
            (state.waiting[host]?.removeValue(forKey: waiter), state.names.known(host))
        }
        let seconds = patience.nanoseconds / 1_000_000_000
        promise?.finish(known, Self.notResolved(host, "no answer from the name server within \(seconds) s"))
    }

    private func lookUp(_ host: String) {
        let isRetry = state.withLock { $0.names.isFailing(host) }
        threads.run(isRetry: isRetry) { [weak self, lookup] in
            let result = Result { try lookup(host) }
            self?.finish(host, result)
        }
    }

    private func finish(_ host: String, _ result: Result<[SocketAddress], any Error>) {
        let problem = Self.problem(of: result)
        let (waiting, known) = state.withLock { state in
            state.names.answered(host, (try? result.get()) ?? [], problem: problem, now: .now())
            return (state.waiting.removeValue(forKey: host) ?? [:], state.names.known(host))
        }
        for promise in waiting.values { promise.finish(known, Self.notResolved(host, problem)) }
    }

    private static func notResolved(_ host: String, _ problem: String) -> TunnelError {
        TunnelError(.nameNotResolved, "no address for \(host): \(problem)")
    }

    private static func problem(of result: Result<[SocketAddress], any Error>) -> String {
        guard case .failure(let error) = result else { return "the name has no addresses" }
        return (error as? LookupError)?.message ?? ErrorText.words(for: error)
    }

    struct LookupError: Error {
        let message: String
    }

    /// The C library's resolver: hosts file, DNS, and whatever nsswitch.conf says.
    static func systemLookup(_ host: String) throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = Int32(AI_ADDRCONFIG)
        var first: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, &hints, &first)
        guard code == 0 else { throw LookupError(message: String(cString: gai_strerror(code))) }
        defer { freeaddrinfo(first) }
        var addresses: [SocketAddress] = []
        var next = first
        while let info = next?.pointee {
            if let address = info.ai_addr.flatMap({ SocketAddress($0, family: info.ai_family) }) {
                addresses.append(address)
            }
            next = info.ai_next
        }
        return addresses
    }
}

extension EventLoopPromise<[SocketAddress]> {
    /// The last known addresses are better than none.
    fileprivate func finish(_ known: [SocketAddress], _ error: TunnelError) {
        if known.isEmpty { fail(error) } else { succeed(known) }
    }
}

extension SocketAddress {
    fileprivate init?(_ raw: UnsafeMutablePointer<sockaddr>, family: Int32) {
        let bytes = UnsafeRawPointer(raw)
        switch family {
        case AF_INET: self.init(bytes.load(as: sockaddr_in.self))
        case AF_INET6: self.init(bytes.load(as: sockaddr_in6.self))
        default: return nil
        }
    }

    fileprivate func with(port: Int) -> SocketAddress {
        var copy = self
        copy.port = port
        return copy
    }
}
