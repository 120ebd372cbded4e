import Glibc
import NIOCore
import TestSupport
import Testing

@testable import Tunnel

/// The core is turned by hand, on sockets of the loopback, against what a perfect relay would
/// deliver.
@Suite("A reactor", .timeLimit(.minutes(2)))
struct ReactorModelTests {
    @Test(
        "relays in order whatever users and targets do, and passes ends on after what came before them",
        arguments: 0..<20
    )
    func interleavings(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let bench = try Bench()
        var pairs: [Pair] = []
        for _ in 0..<4 { pairs.append(try bench.open()) }
        for _ in 0..<3000 {
            let pair = pairs[Int.random(in: 0..<pairs.count, using: &random)]
            pair.act(&random, bench)
            if random.next() % 3 == 0 { _ = bench.core.turn(limit: 0) }
        }
        for pair in pairs { pair.finish(bench) }
        #expect(bench.core.count == 0)
        #expect(bench.opened == bench.ended)
    }
}

private final class Bench: ReactorAcceptor {
    let core: ReactorCore
    /// A pipe that nobody writes to: the core is turned by hand.
    private let wakeUp: [Int32]
    let front: Int32
    let target: Int32
    let targetAddress: SocketBytes
    let frontAddress: SocketBytes
    var opened = 0
    var ended = 0
    var newest: RelayToken?

    init() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        wakeUp = ends
        core = try ReactorCore(wakeUp: wakeUp[0], pipes: 2)
        (front, frontAddress) = try Self.listener()
        (target, targetAddress) = try Self.listener()
        core.listen(front, self)
    }

    deinit {
        for descriptor in wakeUp + [front, target] { close(descriptor) }
    }

    private static func listener() throws -> (Int32, SocketBytes) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        let any = SocketBytes(try SocketAddress(ipAddress: "127.0.0.1", port: 0))
        precondition(any.use { bind(descriptor, $0, $1) } == 0)
        precondition(listen(descriptor, 16) == 0)
        var address = SocketBytes()
        precondition(address.receive { getsockname(descriptor, $0, $1) } == 0)
        return (descriptor, address)
    }

    func accepted(_ descriptor: Int32, from address: SocketBytes, _ core: ReactorCore) -> Bool {
        let owner = Owner(self)
        opened += 1
        let terms = RelayTerms(lingerAfterReset: 200, lingerAfterCut: 50)
        guard let token = core.add(near: descriptor, owner, terms) else { return true }
        newest = token
        core.dial(token, targetAddress, patience: 5000)
        return true
    }

    func acceptFailed(_ error: Int32) { Issue.record("accept: \(error)") }

    func open() throws -> Pair {
        let user = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        precondition(frontAddress.use { connect(user, $0, $1) } == 0)
        _ = fcntl(user, F_SETFL, O_NONBLOCK)
        newest = nil
        var far: Int32 = -1
        while newest == nil || far < 0 {
            _ = core.turn(limit: 1)
            if far < 0 { far = Glibc.accept(target, nil, nil) }
        }
        _ = fcntl(far, F_SETFL, O_NONBLOCK)
        return Pair(Peer(user), Peer(far), try #require(newest))
    }

    final class Owner: RelayOwner {
        let bench: Bench
        init(_ bench: Bench) { self.bench = bench }
        func dialEnded(_ error: Int32, _ pair: RelayToken, _ core: ReactorCore) {
            #expect(error == 0)
            core.relay(pair)
        }
        func moved(_ bytes: Int, fromNear: Bool) {}
        func ended() { bench.ended += 1 }
    }
}

/// The outer end of one of a pair's sockets; what it sends is a count, byte by byte.
private final class Peer {
    let descriptor: Int32
    var sent = 0
    var received = 0
    var hasEnded = false
    var sawEnd = false
    var isGone = false

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// What is sent, over and over: its length has no factor in common with any buffer's.
    private static let period = 65_521
    private static let most = 1 << 20
    private static let pattern: [UInt8] = (0..<period + most).map { position in
        let place = position % period
        return UInt8(truncatingIfNeeded: place &* 31 &+ place >> 8)
    }

    func send(_ count: Int) {
        guard !hasEnded, !isGone else { return }
        let result = Self.pattern.withUnsafeBytes { pattern in
            let part = pattern[(sent % Self.period)...].prefix(count)
            return Glibc.send(
                descriptor,
                UnsafeRawBufferPointer(rebasing: part).baseAddress,
                count,
                Int32(MSG_NOSIGNAL)
            )
        }
        if result > 0 { sent += result }
    }

    func receive(_ count: Int) -> Bool {
        guard !isGone else { return false }
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: Self.most, alignment: 16)
        defer { bytes.deallocate() }
        let result = recv(descriptor, bytes, min(count, Self.most), 0)
        if result == 0 { sawEnd = true }
        if result > 0 {
            let isRight = Self.pattern.withUnsafeBytes { pattern in
                pattern[(received % Self.period)...].prefix(result)
                    .elementsEqual(UnsafeRawBufferPointer(start: bytes, count: result))
            }
            if !isRight { Issue.record("wrong bytes after \(received)") }
            received += result
        }
        return result > 0
    }

    func endOutput() {
        guard !isGone, !hasEnded else { return }
        hasEnded = true
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }

    func reset() {
        guard !isGone else { return }
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
        leave()
    }

    func leave() {
        guard !isGone else { return }
        isGone = true
        close(descriptor)
    }
}

private final class Pair {
    let user: Peer
    let target: Peer
    let token: RelayToken
    var isViolent = false
    init(_ user: Peer, _ target: Peer, _ token: RelayToken) {
        self.user = user
        self.target = target
        self.token = token
    }

    func act(_ random: inout SeededRandom, _ bench: Bench) {
        let peer = random.next() % 2 == 0 ? user : target
        switch random.next() % 1000 {
        case 0..<400: peer.send(Int.random(in: 1...2000, using: &random))
        case 400..<500: peer.send(Int.random(in: 1...400_000, using: &random))
        case 500..<800: _ = peer.receive(Int.random(in: 1...4000, using: &random))
        case 800..<990: _ = peer.receive(Int.random(in: 1...1_000_000, using: &random))
        case 990..<997: peer.endOutput()
        case 997:
            peer.reset()
            isViolent = true
        case 998:
            peer.leave()
            isViolent = true
        default:
            bench.core.cut(token)
            isViolent = true
        }
    }

    func finish(_ bench: Bench) {
        user.endOutput()
        target.endOutput()
        var quiet = 0
        while quiet < 400, !(user.sawEnd || user.isGone) || !(target.sawEnd || target.isGone) {
            _ = bench.core.turn(limit: 1)
            let didMove = [user.receive(1 << 20), target.receive(1 << 20)].contains(true)
            quiet = didMove ? 0 : quiet + 1
        }
        #expect(user.received <= target.sent)
        #expect(target.received <= user.sent)
        if !isViolent {
            #expect(user.received == target.sent)
            #expect(target.received == user.sent)
            #expect(user.sawEnd && target.sawEnd)
        }
        user.leave()
        target.leave()
        for _ in 0..<50 { _ = bench.core.turn(limit: 1) }
    }
}
