import NIOCore
import Testing

@testable import Tunnel

@Suite("What is known of host names")
struct NameCacheTests {
    private let old: [SocketAddress]
    private let new: [SocketAddress]
    private let ttl = TimeAmount.minutes(5)

    init() throws {
        old = [try SocketAddress(ipAddress: "192.0.2.1", port: 0)]
        new = [try SocketAddress(ipAddress: "192.0.2.2", port: 0)]
    }

    private func at(_ seconds: Int64) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(1000 + seconds) }

    /// A cache that learned `old` at second 0.
    private func known() -> NameCache {
        var names = NameCache()
        _ = names.ask("db", ttl: ttl, now: at(0))
        names.answered("db", old, problem: "", now: at(0))
        return names
    }

    @Test("the first who asks starts a look-up, and the others wait for it")
    func first() {
        var names = NameCache()
        #expect(names.ask("db", ttl: ttl, now: at(0)) == .wait(lookUp: true))
        #expect(names.ask("db", ttl: ttl, now: at(1)) == .wait(lookUp: false))
        names.answered("db", old, problem: "", now: at(2))
        #expect(names.ask("db", ttl: ttl, now: at(3)) == .addresses(old, lookUp: false))
    }

    @Test("old addresses are used at once while they are looked up again")
    func refresh() {
        var names = known()
        #expect(names.ask("db", ttl: ttl, now: at(300)) == .addresses(old, lookUp: true))
        #expect(names.ask("db", ttl: ttl, now: at(301)) == .addresses(old, lookUp: false))
        names.answered("db", new, problem: "", now: at(302))
        #expect(names.ask("db", ttl: ttl, now: at(303)) == .addresses(new, lookUp: false))
    }

    @Test("addresses that do not answer are looked up before they are used again, once a second at most")
    func doubt() {
        var names = known()
        names.doubt("db")
        #expect(names.ask("db", ttl: ttl, now: at(10)) == .wait(lookUp: true))
        names.answered("db", old, problem: "", now: at(10))
        names.doubt("db")
        #expect(names.ask("db", ttl: ttl, now: at(10)) == .addresses(old, lookUp: false))
        #expect(names.ask("db", ttl: ttl, now: at(11)) == .wait(lookUp: true))
        names.answered("db", new, problem: "", now: at(11))
        #expect(names.ask("db", ttl: ttl, now: at(12)) == .addresses(new, lookUp: false))
    }

    @Test("a name that is forgotten is looked up at once, also when it failed, but once a second at most")
    func forget() {
        var names = known()
        names.forget("db")
        #expect(names.ask("db", ttl: ttl, now: at(10)) == .wait(lookUp: true))
        names.answered("db", [], problem: "no server", now: at(10))
        #expect(names.ask("db", ttl: ttl, now: at(12)) == .addresses(old, lookUp: false))
        names.forgetAll()
        #expect(names.ask("db", ttl: ttl, now: at(12)) == .wait(lookUp: true))

        _ = names.ask("none", ttl: ttl, now: at(20))
        names.answered("none", [], problem: "no server", now: at(20))
        names.forgetFailures()
        #expect(names.ask("db", ttl: ttl, now: at(20)) == .wait(lookUp: false))
        #expect(names.ask("none", ttl: ttl, now: at(20)) == .failed("no server"))
        #expect(names.ask("none", ttl: ttl, now: at(21)) == .wait(lookUp: true))
    }

    @Test("a failed look-up takes no address away, doubted or not")
    func failure() {
        for isDoubted in [false, true] {
            var names = known()
            if isDoubted { names.doubt("db") }
            _ = names.ask("db", ttl: ttl, now: at(400))
            names.answered("db", [], problem: "no server", now: at(401))
            #expect(names.ask("db", ttl: ttl, now: at(402)) == .addresses(old, lookUp: false))
            #expect(names.known("db") == old)
            #expect(names.isFailing("db"))
        }
    }

    @Test("a name that is not known is not asked for again until the failure has been kept for its time")
    func negative() {
        var names = NameCache()
        _ = names.ask("db", ttl: ttl, now: at(0))
        names.answered("db", [], problem: "no server", now: at(1))
        #expect(names.ask("db", ttl: ttl, now: at(5)) == .failed("no server"))
        #expect(names.ask("db", ttl: ttl, now: at(6)) == .wait(lookUp: true))
    }

    @Test("with a time to live of zero everyone waits for a look-up, of which there is one a second")
    func everyTime() {
        var names = known()
        #expect(names.ask("db", ttl: .zero, now: at(2)) == .wait(lookUp: true))
        names.answered("db", new, problem: "", now: at(2))
        #expect(names.ask("db", ttl: .zero, now: at(2)) == .addresses(new, lookUp: false))
        #expect(names.ask("db", ttl: .zero, now: at(3)) == .wait(lookUp: true))
    }

    @Test("names beyond the limit push out the one that was answered longest ago")
    func limit() {
        var names = known()
        for number in 0..<TunnelLimits.resolverEntries {
            _ = names.ask("host\(number)", ttl: ttl, now: at(1))
            names.answered("host\(number)", new, problem: "", now: at(1))
        }
        #expect(names.known("db") == [])
        #expect(names.known("host7") == new)
    }
}
