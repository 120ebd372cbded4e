import NIOCore
import Testing

@testable import Tunnel

@Suite("Failed handshakes are counted by address")
struct HandshakeThrottleTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private var throttle = HandshakeThrottle(limit: 3, window: .seconds(10), capacity: 4)

    @Test("an address that failed too often is refused until its window ends, then starts over")
    mutating func window() {
        for second in 0..<3 as Range<Int64> {
            #expect(throttle.admits("a", now: start + .seconds(second)))
            throttle.failed("a", now: start + .seconds(second))
        }
        #expect(!throttle.admits("a", now: start + .seconds(2)))
        #expect(!throttle.admits("a", now: start + .seconds(10) - .nanoseconds(1)))
        // The window began with the first failure and does not grow with the later ones.
        #expect(throttle.admits("a", now: start + .seconds(10)))
        throttle.failed("a", now: start + .seconds(10))
        #expect(throttle.admits("a", now: start + .seconds(10)))
    }

    @Test("a failure that is taken back does not count")
    mutating func takenBack() {
        for _ in 0..<10 {
            throttle.failed("a", now: start)
            throttle.succeeded("a")
        }
        #expect(throttle.admits("a", now: start))
        throttle.succeeded("b")
        for _ in 0..<3 { throttle.failed("b", now: start) }
        #expect(!throttle.admits("b", now: start))
    }

    @Test("addresses of one IPv6 network count together, those of others alone")
    mutating func networks() {
        for host in 1...3 { throttle.failed("2001:db8:0:1::\(host)", now: start) }
        #expect(!throttle.admits("2001:db8:0:1:ffff::9", now: start))
        #expect(throttle.admits("2001:db8:0:2::1", now: start))
        for host in 1...3 { throttle.failed("192.0.2.\(host)", now: start) }
        #expect(throttle.admits("192.0.2.1", now: start))
    }

    @Test("other addresses are not touched")
    mutating func others() {
        for _ in 0..<100 { throttle.failed("a", now: start) }
        #expect(!throttle.admits("a", now: start))
        #expect(throttle.admits("b", now: start))
        throttle.failed("b", now: start)
        #expect(throttle.admits("b", now: start))
    }

    @Test("when it is full, what has run out is forgotten first, then whose window ends first")
    mutating func bounded() {
        for (offset, address) in ["a", "b", "c", "d"].enumerated() {
            for _ in 0..<3 { throttle.failed(address, now: start + .seconds(Int64(offset))) }
        }
        let refused = { (throttle: HandshakeThrottle, now: NIODeadline) in
            ["a", "b", "c", "d", "e", "f"].filter { !throttle.admits($0, now: now) }
        }
        #expect(refused(throttle, start + .seconds(4)) == ["a", "b", "c", "d"])
        for _ in 0..<3 { throttle.failed("e", now: start + .seconds(4)) }
        #expect(refused(throttle, start + .seconds(4)) == ["b", "c", "d", "e"])
        // At 12.5 s b and c have run out, so that nobody who counts has to go.
        for _ in 0..<3 { throttle.failed("f", now: start + .milliseconds(12_500)) }
        #expect(refused(throttle, start + .milliseconds(12_500)) == ["d", "e", "f"])
    }

    @Test("a flood from many addresses neither grows it nor stops it counting")
    func flood() {
        var throttle = HandshakeThrottle(limit: 2, window: .seconds(10), capacity: 16)
        for number in 0..<500 {
            throttle.failed("flood \(number)", now: start + .milliseconds(Int64(number)))
        }
        #expect((0..<500).filter { !throttle.admits("flood \($0)", now: start) }.isEmpty)
        for _ in 0..<2 { throttle.failed("guesser", now: start + .seconds(1)) }
        #expect(!throttle.admits("guesser", now: start + .seconds(1)))
    }

    @Test("by default it lets NodePass's own clients try every three seconds for ever")
    func defaults() {
        var throttle = HandshakeThrottle()
        for attempt in 0..<1000 as Range<Int64> {
            #expect(throttle.admits("a", now: start + .seconds(3 * attempt)))
            throttle.failed("a", now: start + .seconds(3 * attempt))
        }
    }
}
