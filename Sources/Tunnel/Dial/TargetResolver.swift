import Config
import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// Turns host names into addresses, off the event loops, remembering them for as long as each tunnel asks.
///
/// Literal addresses need neither. Several askers of one name share one look-up, and when the name server does not answer
/// the last known addresses are used, so that a dead name server does not take running tunnels with it.
final class TargetResolver: Sendable {
    typealias Lookup = @Sendable (_ host: String) throws -> [SocketAddress]

    private struct Entry {
        let addresses: [SocketAddress]
        let resolvedAt: NIODeadline
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var waiting: [String: [EventLoopPromise<[SocketAddress]>]] = [:]

        mutating func store(_ entry: Entry, for host: String) {
            if entries.count >= TunnelLimits.resolverEntries, entries[host] == nil,
                let oldest = entries.min(by: { $0.value.resolvedAt < $1.value.resolvedAt })?.key
            {
                entries[oldest] = nil
            }
            entries[host] = entry
        }
    }

    private let state = Mutex(State())
    private let threads: NIOThreadPool
    private let lookup: Lookup

    init(threads: NIOThreadPool = .singleton, lookup: @escaping Lookup = TargetResolver.systemLookup) {
        self.threads = threads
        self.lookup = lookup
    }

    /// Every address of the endpoint's host, in the system's order of preference, with the endpoint's port.
    ///
    /// An empty host is this machine. Fails with `TunnelError` (`NameNotResolved`).
    func resolve(_ endpoint: Endpoint, ttl: Duration, on loop: any EventLoop) -> EventLoopFuture<[SocketAddress]> {
        if let literal = Self.literal(endpoint) { return loop.makeSucceededFuture([literal]) }
        let (host, port) = (endpoint.host, Int(endpoint.port))
        if let known = fresh(host, ttl: ttl) { return loop.makeSucceededFuture(known.map { $0.with(port: port) }) }
        return refresh(host, on: loop).map { addresses in addresses.map { $0.with(port: port) } }
    }

    /// The address of an endpoint that is no name, which needs no looking up.
    static func literal(_ endpoint: Endpoint) -> SocketAddress? {
        let host = endpoint.host.isEmpty ? "127.0.0.1" : endpoint.host
        return try? SocketAddress(ipAddress: host, port: Int(endpoint.port))
    }

    private func fresh(_ host: String, ttl: Duration) -> [SocketAddress]? {
        state.withLock { state in
            guard let entry = state.entries[host] else { return nil }
            return NIODeadline.now() - entry.resolvedAt < TimeAmount(ttl) ? entry.addresses : nil
        }
    }

    private func refresh(_ host: String, on loop: any EventLoop) -> EventLoopFuture<[SocketAddress]> {
        let promise = loop.makePromise(of: [SocketAddress].self)
        let isFirst = state.withLock { state in
            state.waiting[host, default: []].append(promise)
            return state.waiting[host]?.count == 1
        }
        if isFirst {
            threads.runIfActive(eventLoop: loop) { [lookup] in try lookup(host) }
                .whenComplete { self.finish(host, $0) }
        }
        return promise.futureResult
    }

    private func finish(_ host: String, _ result: Result<[SocketAddress], any Error>) {
        let (waiting, stale) = state.withLock { state in
            if case .success(let addresses) = result, !addresses.isEmpty {
                state.store(Entry(addresses: addresses, resolvedAt: .now()), for: host)
            }
            return (state.waiting.removeValue(forKey: host) ?? [], state.entries[host]?.addresses)
        }
        for promise in waiting {
            if let addresses = stale {
                promise.succeed(addresses)
            } else {
                promise.fail(TunnelError(.nameNotResolved, "no address for \(host): \(Self.problem(of: result))"))
            }
        }
    }

    private static func problem(of result: Result<[SocketAddress], any Error>) -> String {
        guard case .failure(let error) = result else { return "the name has no addresses" }
        return (error as? LookupError)?.message ?? "\(error)"
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
