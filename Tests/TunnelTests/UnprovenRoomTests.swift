import Config
import Synchronization
import TestSupport
import Testing

@testable import Tunnel

@Suite("Room for connections that have not proven who they are")
struct UnprovenRoomTests {
    /// Names of connections that had to go, in order.
    private final class Evictions: Sendable {
        private let names = Mutex<[String]>([])
        var all: [String] { names.withLock { $0 } }
        func add(_ name: String) { names.withLock { $0.append(name) } }
    }

    private let evictions = Evictions()

    private func enter(_ room: UnprovenRoom, _ name: String, from address: String, bytes: Int = 10) -> UnprovenPlace {
        room.enter(from: IPAddress(address), bytes: bytes) { [evictions] in evictions.add(name) }
    }

    @Test("in a full room the address that holds most gives up its oldest place, and others keep theirs")
    func fairness() {
        let room = UnprovenRoom(limitBytes: 40)
        _ = enter(room, "peer", from: "192.0.2.1")
        for number in 1...5 { _ = enter(room, "stranger \(number)", from: "192.0.2.66") }
        #expect(evictions.all == ["stranger 1", "stranger 2"])
        #expect(room.figures.bytes == 40)
        #expect(room.figures.evicted == 2)
    }

    @Test("all addresses of an IPv6 network of 64 bits are one holder")
    func network() {
        let room = UnprovenRoom(limitBytes: 40)
        _ = enter(room, "peer 1", from: "192.0.2.1")
        _ = enter(room, "peer 2", from: "192.0.2.1")
        for number in 1...4 { _ = enter(room, "stranger \(number)", from: "2001:db8::\(number)") }
        #expect(evictions.all == ["stranger 1", "stranger 2"])
    }

    @Test("a place that grows past the limit makes room as a new one does")
    func growth() {
        let room = UnprovenRoom(limitBytes: 40)
        _ = enter(room, "peer", from: "192.0.2.1")
        let place = enter(room, "stranger", from: "192.0.2.66")
        place.grow(by: 100)
        #expect(evictions.all == ["stranger"])
        #expect(room.figures.bytes == 10)
    }

    @Test("places given back, twice or after an eviction, are counted once")
    func leaving() {
        let room = UnprovenRoom(limitBytes: 20)
        let places = (1...4).map { enter(room, "\($0)", from: "192.0.2.\($0)") }
        #expect(room.figures.bytes == 20)
        for place in places + places { place.leave() }
        #expect(room.figures.bytes == 0)
        _ = enter(room, "5", from: "192.0.2.5")
        #expect(room.figures.bytes == 10)
    }

    @Test("the limit holds through any mixture of entries, growth and leaving", arguments: 0..<10)
    func limit(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let room = UnprovenRoom(limitBytes: 1000)
        var places: [UnprovenPlace] = []
        for step in 0..<2000 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                let host = "192.0.2.\(Int.random(in: 1...20, using: &random))"
                places.append(enter(room, "\(step)", from: host, bytes: .random(in: 1...100, using: &random)))
            case 2: places.randomElement(using: &random)?.grow(by: .random(in: 1...100, using: &random))
            default: places.randomElement(using: &random)?.leave()
            }
            #expect((0...1000).contains(room.figures.bytes), "seed \(seed)")
        }
        for place in places { place.leave() }
        #expect(room.figures.bytes == 0)
    }
}
