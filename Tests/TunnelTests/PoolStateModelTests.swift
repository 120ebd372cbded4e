import NIOCore
import TestSupport
import Testing

@testable import Tunnel

@Suite("The pool against a simple model, through random lives")
struct PoolStateModelTests {
    /// What the pool must be, written as plainly as possible.
    private struct Model {
        var idle: [LinkID] = []
        var fingerprints: [LinkID: String] = [:]
        var ended: [LinkID: NIODeadline] = [:]
        var used = Set<LinkID>()
        var dialling = 0
        var size: PoolBounds
        var capacity: Int
        var next: UInt32 = 0
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

        init(size: PoolBounds) {
            self.size = size
            capacity = size.low
        }

        mutating func use(_ id: LinkID) {
            idle.removeAll { $0 == id }
            #expect(used.insert(id).inserted, "\(id) was given out twice")
            if fingerprints[id] != nil { ended[id] = now + .seconds(10) }
            if idle.isEmpty { capacity = min(capacity * 2, size.high) }
        }

        mutating func end(_ id: LinkID) {
            idle.removeAll { $0 == id }
            ended[id] = now + .seconds(10)
        }
    }

    @Test("thousands of random operations leave it as the model is", arguments: 1...12 as ClosedRange<UInt64>)
    func randomLives(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let size = Self.bounds(&random)
        var pool = PoolState(size: size)
        var model = Model(size: size)
        for step in 0..<1500 {
            Self.perform(Int.random(in: 0..<100, using: &random), &pool, &model, &random)
            let isSame =
                pool.idle == model.idle.count && pool.capacity == model.capacity
                && (model.size.low...model.size.high).contains(pool.capacity) && model.dialling <= 32
            guard isSame else {
                Issue.record("seed \(seed), step \(step): \(pool.idle) idle of \(pool.capacity), the model \(model)")
                return
            }
        }
        #expect(pool.flush(now: model.now) == model.idle, "seed \(seed)")
        for id in 1...max(1, model.next) {
            #expect(pool.fingerprint(of: LinkID(id)) == model.fingerprints[LinkID(id)], "seed \(seed), link \(id)")
        }
    }

    private static func bounds(_ random: inout SeededRandom) -> PoolBounds {
        PoolBounds(min: .random(in: 0...12, using: &random), max: .random(in: 0...60, using: &random))
    }

    private static func perform(
        _ choice: Int,
        _ pool: inout PoolState,
        _ model: inout Model,
        _ random: inout SeededRandom
    ) {
        switch choice {
        case 0..<30: add(&pool, &model, &random)
        case 30..<50:
            let first = model.idle.first
            #expect(pool.take(now: model.now) == first)
            if let first { model.use(first) }
        case 50..<54:
            let spared = Int.random(in: 1...4, using: &random)
            let last = model.idle.count > spared ? model.idle.last : nil
            #expect(pool.take(sparing: spared, now: model.now) == last)
            if let last { model.use(last) }
        case 54..<64: claim(LinkID(.random(in: 1...max(1, model.next + 2), using: &random)), &pool, &model)
        case 64..<70: if let id = model.idle.randomElement(using: &random) { claim(id, &pool, &model) }
        case 70..<76:
            let id = model.idle.randomElement(using: &random) ?? LinkID(.max)
            pool.end(id, now: model.now)
            if model.idle.contains(id) { model.end(id) }
        case 76..<79: verify(&pool, &model)
        case 79..<92: dial(&pool, &model, &random)
        case 92..<98: settle(&pool, &model, &random)
        case 98:
            model.size = bounds(&random)
            model.capacity = min(max(model.capacity, model.size.low), model.size.high)
            pool.resize(model.size)
        default:
            #expect(pool.flush(now: model.now) == model.idle)
            for id in model.idle { model.end(id) }
        }
    }

    private static func add(_ pool: inout PoolState, _ model: inout Model, _ random: inout SeededRandom) {
        if Int.random(in: 0..<8, using: &random) == 0, let id = model.idle.randomElement(using: &random) {
            #expect(pool.add(id, fingerprint: "another") == false)
            return
        }
        model.next += 1
        let id = LinkID(model.next)
        let fingerprint = Bool.random(using: &random) ? "\(id)" : nil
        model.fingerprints[id] = fingerprint
        model.idle.append(id)
        #expect(pool.add(id, fingerprint: fingerprint) == true)
    }

    private static func claim(_ id: LinkID, _ pool: inout PoolState, _ model: inout Model) {
        let expected: PoolState.Claim =
            model.idle.contains(id) ? .taken : model.ended[id] != nil ? .ended : .unknown
        #expect(pool.knows(id) == (expected != .unknown))
        #expect(pool.claim(id, now: model.now) == expected)
        if expected == .taken { model.use(id) }
    }

    private static func verify(_ pool: inout PoolState, _ model: inout Model) {
        guard let id = pool.takeForVerify(now: model.now) else {
            #expect(model.idle.isEmpty)
            return
        }
        #expect(model.idle.contains(id))
        if model.idle.count >= 3 { #expect(id != model.idle.first && id != model.idle.last) }
        model.end(id)
    }

    /// Begins what the pool wants, or lets some of it end without a link.
    private static func dial(_ pool: inout PoolState, _ model: inout Model, _ random: inout SeededRandom) {
        guard Bool.random(using: &random) else {
            for _ in 0..<Int.random(in: 0...model.dialling, using: &random) {
                pool.dialEnded()
                model.dialling -= 1
            }
            return
        }
        let waiting = Int.random(in: 0..<20, using: &random) == 0 ? 4096 : Int.random(in: 0...6, using: &random)
        let wanted = min(model.capacity + waiting, model.size.high) - model.idle.count - model.dialling
        let begun = pool.dials(waiting: waiting)
        #expect(begun == max(0, min(wanted, 32 - model.dialling)))
        model.dialling += begun
    }

    /// Time passes; the model takes the capacity over, which only ever shrinks here, and by no more than a quarter.
    private static func settle(_ pool: inout PoolState, _ model: inout Model, _ random: inout SeededRandom) {
        model.now = model.now + .seconds(.random(in: 0...6, using: &random))
        let surplus = pool.settle(now: model.now)
        for (id, deadline) in model.ended where deadline <= model.now {
            model.ended[id] = nil
            model.fingerprints[id] = nil
        }
        #expect(pool.capacity <= model.capacity)
        #expect(pool.capacity >= max(model.size.low, model.capacity - max(1, model.capacity / 4)))
        // Only when all the time more was idle than half of what it wants; so much is idle at the end, too.
        if pool.capacity < model.capacity { #expect(model.idle.count > model.capacity / 2) }
        model.capacity = pool.capacity
        #expect(surplus == max(0, model.idle.count - model.capacity))
    }
}
