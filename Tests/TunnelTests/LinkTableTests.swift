import Config
import NIOCore
import TestSupport
import Testing

@testable import Tunnel

@Suite("The links of a session, and who has them")
struct LinkTableTests {
    private static let now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private static let claim = LinkClaim(transport: .tcp, user: "192.0.2.1:5")

    /// A table with these links idle, each named by its own number.
    private func table(_ links: UInt32...) -> LinkTable<UInt32> {
        var table = LinkTable<UInt32>(size: PoolBounds(min: 4, max: 8))
        for link in links { _ = table.put(link) }
        return table
    }

    @Test("users get the oldest link that can be used, and a dead one is skipped")
    func take() {
        var table = table(1, 2, 3)
        let taken = (0..<3).map { _ in table.take(sparing: 0, now: Self.now, where: { $0 != 1 })?.1 }
        #expect(taken == [2, 3, nil])
        #expect(table.pool.idle == 0)
    }

    @Test("a signal that overtakes its link is remembered until the link comes")
    func overtaken() {
        var table = table()
        guard case .await? = table.claim(LinkID(7), Self.claim, now: Self.now) else {
            Issue.record("the claim is not awaited")
            return
        }
        #expect(table.put(7) == true)
        #expect(table.takeClaim(of: LinkID(7)) == Self.claim)
        #expect(table.takeClaim(of: LinkID(7)) == nil)
        let claimed = table.claim(LinkID(7), Self.claim, now: Self.now)
        #expect(claimed.link == 7)
    }

    @Test("a link whose user has sent everything can still be claimed, once")
    func inputEnded() {
        var table = table(1)
        #expect(table.endInput(of: LinkID(1), now: Self.now) == true)
        #expect(table.endInput(of: LinkID(1), now: Self.now) == false)
        #expect(table.pool.idle == 0)
        let claims = (0..<2).map { _ in table.claim(LinkID(1), Self.claim, now: Self.now).link }
        #expect(claims == [1, nil])
        #expect(table.takeInputEnded(LinkID(1)) == nil)
    }

    @Test("more links than the limit are not awaited")
    func limit() {
        var table = table()
        for number in 1...UInt32(TunnelLimits.awaitedLinks) {
            _ = table.claim(LinkID(number), Self.claim, now: Self.now)
        }
        guard case .refuse? = table.claim(LinkID(.max), Self.claim, now: Self.now) else {
            Issue.record("the claim is not refused")
            return
        }
    }

    @Test("an id that is idle or remembered is not given to a second link")
    func taken() {
        var table = table(1)
        #expect(table.reserve(LinkID(1), fingerprint: nil) == false)
        #expect(table.end(LinkID(1), now: Self.now) == 1)
        #expect(table.end(LinkID(1), now: Self.now) == nil)
    }

    @Test("each link leaves the table exactly once, whatever happens", arguments: 0..<20)
    func ownership(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var table = table()
        var here: Set<UInt32> = []
        var next: UInt32 = 0
        for _ in 0..<500 {
            var left: [UInt32?] = []
            let id = LinkID(.random(in: 0...next, using: &random))
            switch Int.random(in: 0..<16, using: &random) {
            case 0..<6:
                next += 1
                #expect(table.put(next) == true)
                here.insert(next)
            case 6..<8: left = [table.take(sparing: 0, now: Self.now, where: { _ in true })?.1]
            case 8: left = [table.claim(id, Self.claim, now: Self.now).link]
            case 9: left = [table.end(id, now: Self.now)]
            case 10, 11: _ = table.endInput(of: id, now: Self.now)
            case 12: left = [table.takeInputEnded(id)]
            case 13: left = table.trim(2, now: Self.now)
            case 14: left = [table.takeForVerify(now: Self.now)?.1]
            default: left = table.flush(now: Self.now)
            }
            for link in left.compactMap(\.self) {
                #expect(here.remove(link) != nil, "seed \(seed): \(link) left twice")
            }
        }
        let rest = table.removeAll()
        #expect(Set(rest) == here && rest.count == here.count, "seed \(seed)")
        let nothing = table.removeAll()
        #expect(nothing.isEmpty)
    }
}

extension LinkTable<UInt32> {
    /// Adds the link of this number; false when the id is taken.
    fileprivate mutating func put(_ number: UInt32) -> Bool {
        guard reserve(LinkID(number), fingerprint: nil) else { return false }
        add(LinkID(number), number)
        return true
    }
}

extension LinkTable<UInt32>.ClaimResult? {
    /// The link to use.
    fileprivate var link: UInt32? {
        if case .use(let link)? = self { link } else { nil }
    }
}
