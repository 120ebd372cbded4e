import TestSupport
import Testing

@testable import Tunnel

@Suite("Who has a server's tunnel")
struct ServerSeatTests {
    private func contender(_ number: Int, _ clientID: String? = nil) -> ServerSeat.Contender {
        ServerSeat.Contender(number: number, clientID: clientID)
    }

    @Test("the first client gets the tunnel without a question")
    func first() {
        var seat = ServerSeat()
        #expect(seat.request(contender(1, "a")) == [.begin(session: 1, contender: 1)])
        #expect(seat.session == 1)
    }

    @Test("two clients that stand by cause one probe, and one of them takes over")
    func twoStandbys() {
        var seat = ServerSeat()
        _ = seat.request(contender(1, "a"))
        #expect(seat.request(contender(2, "b")) == [.probe(session: 1)])
        #expect(seat.request(contender(3, "c")) == [])
        #expect(
            seat.probed(1, isAlive: false) == [
                .end(session: 1, why: .clientGone), .begin(session: 2, contender: 2), .refuse(contender: 3),
            ]
        )
        #expect(seat.ended(1) == [])
        #expect(seat.probed(1, isAlive: false) == [])
        #expect(seat.session == 2)
    }

    @Test("a client that comes back while a standby's probe is out keeps the tunnel")
    func backDuringProbe() {
        var seat = ServerSeat()
        _ = seat.request(contender(1, "a"))
        _ = seat.request(contender(2, "b"))
        #expect(
            seat.request(contender(3, "a")) == [
                .end(session: 1, why: .clientCameBack), .begin(session: 2, contender: 3), .refuse(contender: 2),
            ]
        )
        #expect(seat.probed(1, isAlive: false) == [])
        #expect(seat.ended(1) == [])
        #expect(seat.session == 2)
    }

    @Test("a session that ends while its client is probed hands the tunnel to the standby")
    func endDuringProbe() {
        var seat = ServerSeat()
        _ = seat.request(contender(1))
        _ = seat.request(contender(2))
        #expect(seat.ended(1) == [.begin(session: 2, contender: 2)])
        #expect(seat.probed(1, isAlive: false) == [])
    }

    @Test("a standby that hangs up while it waits is not given the tunnel")
    func withdrawal() {
        var seat = ServerSeat()
        _ = seat.request(contender(1))
        _ = seat.request(contender(2))
        seat.withdraw(2)
        #expect(seat.ended(1) == [])
        #expect(seat.session == nil)
    }

    @Test(
        "whatever happens in whatever order, one session lives at a time and everyone is answered once",
        arguments: 0..<40
    )
    func promises(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var seat = ServerSeat()
        var world = World()
        for _ in 0..<500 {
            let event = World.Event.random(in: world, using: &random)
            world.take(seat: &seat, event)
            #expect(world.problem == nil, "seed \(seed), after \(event)")
            guard world.problem == nil else { return }
        }
        // Whoever still waits is answered when the session ends.
        if let living = world.living { world.perform(seat.ended(living), by: .ended(living)) }
        #expect(world.waiting.isEmpty, "seed \(seed)")
    }

    /// What the seat's actions have come to.
    private struct World {
        enum Event {
            case request(Int, String?)
            case probed(Int, Bool)
            case ended(Int)
            case withdraw(Int)

            static func random(in world: World, using random: inout SeededRandom) -> Event {
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<5:
                    return .request(world.requests + 1, [nil, "a", "b", "c"].randomElement(using: &random) ?? nil)
                // Old sessions answer late and end late.
                case 5..<7:
                    return .probed(.random(in: 0...world.sessions, using: &random), .random(using: &random))
                case 7..<9: return .ended(.random(in: max(0, world.sessions - 2)...world.sessions, using: &random))
                default: return .withdraw(world.waiting.randomElement(using: &random) ?? 0)
                }
            }
        }

        var requests = 0
        var sessions = 0
        var living: Int?
        var waiting: Set<Int> = []
        var problem: String?

        mutating func take(seat: inout ServerSeat, _ event: Event) {
            switch event {
            case .request(let number, let id):
                requests = number
                waiting.insert(number)
                perform(seat.request(ServerSeat.Contender(number: number, clientID: id)), by: event)
            case .probed(let session, let isAlive): perform(seat.probed(session, isAlive: isAlive), by: event)
            case .ended(let session):
                let actions = seat.ended(session)
                if living == session { living = nil }
                perform(actions, by: event)
            case .withdraw(let number):
                waiting.remove(number)
                seat.withdraw(number)
            }
            if seat.session != living { problem = "the seat believes in \(seat.session ?? 0), \(living ?? 0) lives" }
            if living == nil, !waiting.isEmpty { problem = "the tunnel is free and \(waiting) wait" }
        }

        mutating func perform(_ actions: [ServerSeat.Action], by event: Event) {
            if case .ended(let session) = event, living == session { living = nil }
            for action in actions {
                switch action {
                case .begin(let session, let contender):
                    if living != nil { problem = "two sessions live" }
                    if waiting.remove(contender) == nil { problem = "\(contender) is answered twice" }
                    living = session
                    sessions = max(sessions, session)
                case .end(let session, _):
                    if living != session { problem = "\(session) is ended and does not live" }
                    living = nil
                case .probe(let session): if living != session { problem = "\(session) is probed and does not live" }
                case .refuse(let contender):
                    if waiting.remove(contender) == nil { problem = "\(contender) is answered twice" }
                }
            }
        }
    }
}
