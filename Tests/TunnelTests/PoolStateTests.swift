import Config
import NIOCore
import Testing

@testable import Tunnel

@Suite("Which links are idle, and how many to have")
struct PoolStateTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func pool(_ minimum: Int, _ maximum: Int, idle: ClosedRange<UInt32>? = nil) -> PoolState {
        var pool = PoolState(size: PoolBounds(min: minimum, max: maximum))
        if let idle { for id in idle { #expect(pool.add(LinkID(id)) == true) } }
        return pool
    }

    /// Lets every dial the pool wants come to a link.
    private func fill(_ pool: inout PoolState, from next: inout UInt32) {
        while true {
            let dials = pool.dials(waiting: 0)
            guard dials > 0 else { return }
            for _ in 0..<dials {
                pool.dialEnded()
                next += 1
                #expect(pool.add(LinkID(next)) == true)
            }
        }
    }

    private func takeAll(_ pool: inout PoolState) -> [UInt32] {
        var ids: [UInt32] = []
        while let id = pool.take(now: start) { ids.append(id.value) }
        return ids
    }

    // MARK: Links come and go

    @Test("the link that has waited longest is taken first")
    func fifo() {
        var pool = pool(4, 8, idle: 1...5)
        #expect(pool.idle == 5)
        #expect(pool.take(now: start) == LinkID(1))
        #expect(pool.add(LinkID(6)) == true)
        #expect(pool.claim(LinkID(3), now: start) == .taken)
        pool.end(LinkID(5), now: start)
        #expect(pool.idle == 3)
        #expect(takeAll(&pool) == [2, 4, 6])
        #expect(pool.idle == 0)
        #expect(pool.take(now: start) == nil)
    }

    @Test("sparing some, the newest is taken, and the oldest are left", arguments: [1, 2, 4])
    func sparing(_ spared: Int) {
        var pool = pool(4, 8, idle: 1...5)
        pool.end(LinkID(5), now: start)
        var taken: [UInt32] = []
        while let id = pool.take(sparing: spared, now: start) { taken.append(id.value) }
        #expect(taken == [4, 3, 2, 1].dropLast(spared))
        #expect(pool.idle == spared)
        #expect(takeAll(&pool) == Array(1...UInt32(spared)))
    }

    @Test("an id that is idle already is refused and changes nothing", arguments: [nil, "A"])
    func duplicate(_ fingerprint: String?) {
        var pool = pool(4, 8)
        #expect(pool.add(LinkID(1), fingerprint: fingerprint) == true)
        #expect(pool.add(LinkID(1), fingerprint: "B") == false)
        #expect(pool.idle == 1)
        #expect(pool.fingerprint(of: LinkID(1)) == fingerprint)
        #expect(takeAll(&pool) == [1])
    }

    @Test("a claim tells a link that is here from one that has ended and one that never came")
    func claims() {
        var pool = pool(4, 8, idle: 1...3)
        pool.end(LinkID(2), now: start)
        #expect(pool.claim(LinkID(1), now: start) == .taken)
        #expect(pool.claim(LinkID(2), now: start) == .ended)
        #expect(pool.claim(LinkID(9), now: start) == .unknown)
        #expect(pool.claim(LinkID(1), now: start) != .taken)
        #expect(pool.knows(LinkID(2)) && pool.knows(LinkID(3)) && !pool.knows(LinkID(9)))
        #expect(pool.idle == 1)
    }

    @Test("ending a link that is not idle changes nothing")
    func endTwice() {
        var pool = pool(4, 8, idle: 1...2)
        pool.end(LinkID(9), now: start)
        #expect(pool.claim(LinkID(9), now: start) == .unknown)
        pool.end(LinkID(1), now: start)
        pool.end(LinkID(1), now: start + .seconds(9))
        _ = pool.settle(now: start + .seconds(10))
        #expect(!pool.knows(LinkID(1)))
        #expect(pool.idle == 1)
    }

    @Test("a link that ended, and a certificate that was used, are remembered for ten seconds")
    func memory() {
        var pool = pool(4, 8)
        for id in 1...4 as ClosedRange<UInt32> { #expect(pool.add(LinkID(id), fingerprint: "\(id)") == true) }
        pool.end(LinkID(1), now: start)
        #expect(pool.take(now: start) == LinkID(2))
        #expect(pool.claim(LinkID(3), now: start) == .taken)
        let fingerprints = { (pool: PoolState) in (1...4).map { pool.fingerprint(of: LinkID($0)) } }
        _ = pool.settle(now: start + .seconds(10) - .nanoseconds(1))
        #expect(fingerprints(pool) == ["1", "2", "3", "4"])
        #expect(pool.claim(LinkID(1), now: start) == .ended)
        _ = pool.settle(now: start + .seconds(10))
        #expect(fingerprints(pool) == [nil, nil, nil, "4"])
        #expect(pool.claim(LinkID(1), now: start) == .unknown)
        #expect(pool.add(LinkID(1), fingerprint: "new") == true)
        #expect(pool.fingerprint(of: LinkID(1)) == "new")
    }

    struct Pick: Sendable, CustomTestStringConvertible {
        let idle: UInt32
        let allowed: [UInt32]
        var testDescription: String { "of \(idle)" }
    }

    @Test(
        "our verify takes neither the oldest nor the newest when there are three, and something when there is anything",
        arguments: [
            Pick(idle: 1, allowed: [1]), Pick(idle: 2, allowed: [1, 2]), Pick(idle: 3, allowed: [2]),
            Pick(idle: 4, allowed: [2, 3]), Pick(idle: 64, allowed: Array(2...63)),
        ]
    )
    func verifyPick(_ pick: Pick) throws {
        // What has gone from either end and the middle must not count.
        var pool = pool(4, 8, idle: 100...105)
        #expect(pool.take(now: start) == LinkID(100))
        pool.end(LinkID(101), now: start)
        for id in 1...pick.idle { #expect(pool.add(LinkID(id)) == true) }
        for id in 102...105 { #expect(pool.claim(LinkID(UInt32(id)), now: start) == .taken) }
        let picked = pool.takeForVerify(now: start)
        let id = try #require(picked)
        #expect(pick.allowed.contains(id.value))
        #expect(pool.idle == Int(pick.idle) - 1)
        #expect(pool.claim(id, now: start) == .ended)
        #expect(takeAll(&pool) == (1...pick.idle).filter { $0 != id.value })
        #expect(pool.takeForVerify(now: start) == nil)
    }

    @Test("a flush ends every idle link, oldest first, and new ones count afresh")
    func flush() {
        var pool = pool(4, 8, idle: 1...5)
        _ = pool.take(now: start)
        pool.end(LinkID(3), now: start)
        #expect(pool.flush(now: start).map(\.value) == [2, 4, 5])
        #expect(pool.idle == 0)
        #expect(pool.flush(now: start).isEmpty)
        #expect(pool.claim(LinkID(4), now: start) == .ended)
        #expect(pool.dials(waiting: 0) == 4)
        #expect(pool.add(LinkID(6)) == true)
        #expect(takeAll(&pool) == [6])
    }

    struct Trim: Sendable, CustomTestStringConvertible {
        let idle: UInt32
        let count: Int
        let closed: [UInt32]
        var testDescription: String { "\(count) of \(idle)" }
    }

    @Test(
        "trimming closes the oldest, as many as asked, but never the last one, and nothing where there is nothing",
        arguments: [
            Trim(idle: 0, count: 1, closed: []), Trim(idle: 0, count: .max, closed: []),
            Trim(idle: 1, count: 1, closed: []), Trim(idle: 2, count: 1, closed: [1]),
            Trim(idle: 5, count: 3, closed: [1, 2, 3]), Trim(idle: 5, count: .max, closed: [1, 2, 3, 4]),
            Trim(idle: 5, count: 0, closed: []), Trim(idle: 5, count: -1, closed: []),
        ]
    )
    func trim(_ trim: Trim) {
        var pool = pool(8, 16, idle: trim.idle > 0 ? 1...trim.idle : nil)
        #expect(pool.trim(trim.count, now: start).map(\.value) == trim.closed)
        #expect(pool.idle == Int(trim.idle) - trim.closed.count)
        #expect(pool.capacity == 8)
    }

    // MARK: How many

    struct Bounds: Sendable, CustomTestStringConvertible {
        let minimum: Int
        let maximum: Int
        let expected: [Int]
        var testDescription: String { "min \(minimum), max \(maximum)" }
    }

    @Test(
        "bounds the wrong way round are swapped, 0 counts as 1, and a server is not believed any number",
        arguments: [
            Bounds(minimum: 8, maximum: 64, expected: [8, 64]), Bounds(minimum: 64, maximum: 8, expected: [8, 64]),
            Bounds(minimum: 0, maximum: 0, expected: [1, 1]), Bounds(minimum: 0, maximum: 5, expected: [1, 5]),
            Bounds(minimum: 5, maximum: 0, expected: [1, 5]), Bounds(minimum: -3, maximum: 7, expected: [1, 7]),
            Bounds(minimum: 64, maximum: .max, expected: [64, PoolSize.limit]),
            Bounds(minimum: .max, maximum: .max, expected: [PoolSize.limit, PoolSize.limit]),
        ]
    )
    func bounds(_ bounds: Bounds) {
        let size = PoolBounds(min: bounds.minimum, max: bounds.maximum)
        #expect([size.low, size.high] == bounds.expected)
        var pool = PoolState(size: size)
        #expect(pool.capacity == size.low)
        // However often it runs dry, and however many wait.
        for id in 1...80 as ClosedRange<UInt32> {
            #expect(pool.add(LinkID(id)) == true)
            #expect(pool.take(now: start) == LinkID(id))
        }
        #expect(pool.capacity == size.high)
        #expect(pool.dials(waiting: 1_000_000) == min(size.high, 32))
    }

    @Test("it dials as many as it wants to have, and replaces each that is taken at once")
    func demand() {
        var pool = pool(4, 64)
        var next: UInt32 = 0
        #expect(pool.dials(waiting: 0) == 4)
        #expect(pool.dials(waiting: 0) == 0)
        for id in 1...4 as ClosedRange<UInt32> {
            pool.dialEnded()
            #expect(pool.add(LinkID(id)) == true)
            #expect(pool.dials(waiting: 0) == 0)
        }
        next = 4
        for _ in 0..<20 {
            #expect(pool.take(now: start) != nil)
            #expect(pool.dials(waiting: 0) == 1)
            pool.dialEnded()
            next += 1
            #expect(pool.add(LinkID(next)) == true)
        }
        pool.end(LinkID(next), now: start)
        #expect(pool.claim(LinkID(next - 1), now: start) == .taken)
        #expect(pool.dials(waiting: 0) == 2)
        #expect(pool.capacity == 4)
    }

    @Test("a dial that failed is made again")
    func failedDials() {
        var pool = pool(4, 64)
        for _ in 0..<10 {
            #expect(pool.dials(waiting: 0) == 4)
            for _ in 0..<4 { pool.dialEnded() }
        }
    }

    @Test("each time it runs dry it doubles, up to the most, and then stays")
    func doubling() {
        var pool = pool(4, 50)
        var next: UInt32 = 0
        for capacity in [4, 8, 16, 32, 50, 50] {
            #expect(pool.capacity == capacity)
            fill(&pool, from: &next)
            #expect(pool.idle == capacity)
            for left in (1..<capacity).reversed() {
                #expect(pool.take(now: start) != nil)
                #expect(pool.idle == left && pool.capacity == capacity)
            }
            #expect(pool.claim(LinkID(next), now: start) == .taken)
        }
        #expect(pool.take(now: start) == nil)
        #expect(pool.capacity == 50)
    }

    @Test("links that end by themselves are no demand")
    func endsAreNoDemand() {
        var pool = pool(2, 64, idle: 1...2)
        for id in 1...2 as ClosedRange<UInt32> { pool.end(LinkID(id), now: start) }
        _ = pool.flush(now: start)
        #expect(pool.capacity == 2)
        #expect(pool.dials(waiting: 0) == 2)
    }

    @Test("what a burst made it want shrinks back to the least over quiet periods, a quarter at a time")
    func shrinking() {
        var pool = pool(8, 64)
        var next: UInt32 = 0
        while pool.capacity < 64 {
            fill(&pool, from: &next)
            #expect(takeAll(&pool).count == pool.capacity / 2)
        }
        fill(&pool, from: &next)
        #expect(pool.idle == 64)
        // The period of the burst itself was not quiet.
        #expect(pool.settle(now: start) == 0)
        var capacities: [Int] = []
        for _ in 0..<12 {
            let surplus = pool.settle(now: start)
            #expect(surplus == 64 - pool.capacity)
            capacities.append(pool.capacity)
        }
        #expect(capacities == [48, 36, 27, 21, 16, 12, 9, 8, 8, 8, 8, 8])
        #expect(pool.dials(waiting: 0) == 0)
        #expect(pool.trim(pool.settle(now: start), now: start).count == 56)
        #expect(pool.idle == 8)
        #expect(pool.dials(waiting: 0) == 0)
        #expect(pool.settle(now: start) == 0)
    }

    @Test("a period in which half of it was used does not shrink it")
    func busyPeriods() {
        var pool = pool(4, 16)
        var next: UInt32 = 0
        fill(&pool, from: &next)
        _ = takeAll(&pool)
        fill(&pool, from: &next)
        _ = takeAll(&pool)
        #expect(pool.capacity == 16)
        for _ in 0..<10 {
            fill(&pool, from: &next)
            for _ in 0..<8 { #expect(pool.take(now: start) != nil) }
            fill(&pool, from: &next)
            #expect(pool.settle(now: start) == 0)
            #expect(pool.capacity == 16)
        }
    }

    struct Waiting: Sendable, CustomTestStringConvertible {
        let idle: UInt32
        let waiting: Int
        let dials: Int
        var testDescription: String { "\(waiting) wait, \(idle) idle" }
    }

    @Test(
        "users that wait raise demand, within the most and the dials at once",
        arguments: [
            Waiting(idle: 0, waiting: 0, dials: 4), Waiting(idle: 0, waiting: 3, dials: 7),
            Waiting(idle: 2, waiting: 3, dials: 5), Waiting(idle: 0, waiting: 28, dials: 32),
            Waiting(idle: 0, waiting: 4096, dials: 32), Waiting(idle: 30, waiting: 4096, dials: 10),
            Waiting(idle: 40, waiting: 4096, dials: 0), Waiting(idle: 60, waiting: 0, dials: 0),
        ]
    )
    func waiting(_ example: Waiting) {
        var pool = pool(4, 40, idle: example.idle > 0 ? 1...example.idle : nil)
        #expect(pool.dials(waiting: example.waiting) == example.dials)
        #expect(pool.dials(waiting: example.waiting) == 0)
    }

    @Test("no more than 32 dials are under way at once")
    func parallelDials() {
        var pool = pool(100, 200)
        #expect(TunnelLimits.parallelLinkDials == 32)
        #expect(pool.dials(waiting: 0) == 32)
        #expect(pool.dials(waiting: 500) == 0)
        pool.dialEnded()
        #expect(pool.dials(waiting: 0) == 1)
        for _ in 0..<32 { pool.dialEnded() }
        #expect(pool.dials(waiting: 0) == 32)
    }

    @Test("new bounds count at once: more are dialled, or fewer wanted, and what it grew to is kept within them")
    func resize() {
        var pool = pool(4, 16)
        var next: UInt32 = 0
        fill(&pool, from: &next)
        pool.resize(PoolBounds(min: 10, max: 16))
        #expect(pool.capacity == 10)
        fill(&pool, from: &next)
        #expect(pool.idle == 10)
        _ = takeAll(&pool)
        #expect(pool.capacity == 16)
        pool.resize(PoolBounds(min: 2, max: 20))
        #expect(pool.capacity == 16)
        fill(&pool, from: &next)
        pool.resize(PoolBounds(min: 2, max: 6))
        #expect(pool.capacity == 6)
        #expect(pool.dials(waiting: 100) == 0)
        #expect(pool.settle(now: start) == 10)
        #expect(pool.idle == 16)
    }
}
