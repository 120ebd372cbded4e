import TestSupport
import Testing

@testable import Tunnel

@Suite("Who has a server's tunnel")
struct ServerSeatTests {
    private func contender(
        _ number: Int,
        _ clientID: String? = nil,
        isPatient: Bool = false
    ) -> ServerSeat.Contender {
        ServerSeat.Contender(number: number, clientID: clientID, isPatient: isPatient)
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

    @Test("a standby that is patient is answered when the tunnel is free, or when its time is over")
    func patience() {
        var seat = ServerSeat()
        _ = seat.request(contender(1, "a"))
        #expect(seat.request(contender(2, "b", isPatient: true)) == [.probe(session: 1)])
        #expect(seat.request(contender(3, "c")) == [])
        #expect(seat.probed(1, isAlive: true) == [.refuse(contender: 3), .probeLater(session: 1)])
        // Who comes meanwhile waits for the next probe, so that there is one at a time.
        #expect(seat.request(contender(4, "d")) == [])
        #expect(seat.probeAgain(1) == [.probe(session: 1)])
        #expect(seat.probed(1, isAlive: true) == [.refuse(contender: 4), .probeLater(session: 1)])
        #expect(seat.expire(2) == [.refuse(contender: 2)])
        #expect(seat.expire(2) == [])
        #expect(seat.probeAgain(1) == [])
        #expect(seat.request(contender(5, "b", isPatient: true)) == [.probe(session: 1)])
        #expect(seat.ended(1) == [.begin(session: 2, contender: 5)])
        #expect(seat.probed(1, isAlive: true) == [])
        #expect(seat.request(contender(6, "a")) == [.probe(session: 2)])
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
            case probeAgain(Int)
            case expire(Int)

            static func random(in world: World, using random: inout SeededRandom) -> Event {
                switch Int.random(in: 0..<14, using: &random) {
                case 0..<5:
                    return .request(world.requests + 1, [nil, "a", "b", "c"].randomElement(using: &random) ?? nil)
                // Old sessions answer late and end late.
                case 5..<7:
                    return .probed(.random(in: 0...world.sessions, using: &random), .random(using: &random))
                case 7..<9: return .ended(.random(in: max(0, world.sessions - 2)...world.sessions, using: &random))
                case 9..<11: return .probeAgain(.random(in: 0...world.sessions, using: &random))
                case 11..<13: return .expire(world.patient.randomElement(using: &random) ?? 0)
                default: return .withdraw(world.waiting.randomElement(using: &random) ?? 0)
                }
            }
        }

        var requests = 0
        var sessions = 0
        var living: Int?
        var waiting: Set<Int> = []
        var patient: Set<Int> { waiting.filter { $0.isMultiple(of: 2) } }
        /// What the seat waits for before it answers contenders.
        var probe: Probe?
        var problem: String?

        enum Probe: Hashable {
            case asked(Int)
            case planned(Int)
        }

        mutating func take(seat: inout ServerSeat, _ event: Event) {
            switch event {
            case .request(let number, let id):
                requests = number
                waiting.insert(number)
                let isPatient = number.isMultiple(of: 2)
                let contender = ServerSeat.Contender(number: number, clientID: id, isPatient: isPatient)
                perform(seat.request(contender), by: event)
            case .probed(let session, let isAlive):
                // A living session answers what it was asked.
                guard session != living || probe == .asked(session) else { return }
                if probe == .asked(session) { probe = nil }
                perform(seat.probed(session, isAlive: isAlive), by: event)
            case .probeAgain(let session):
                guard session != living || probe == .planned(session) else { return }
                if probe == .planned(session) { probe = nil }
                perform(seat.probeAgain(session), by: event)
            case .expire(let number): perform(seat.expire(number), by: event)
            case .ended(let session):
                let actions = seat.ended(session)
                if living == session { living = nil }
                perform(actions, by: event)
            case .withdraw(let number):
                waiting.remove(number)
                seat.withdraw(number)
            }
            if seat.session != living { problem = "the seat believes in \(seat.session ?? 0), \(living ?? 0) lives" }
            if let living, !waiting.isEmpty, probe != .asked(living), probe != .planned(living) {
                problem = "\(waiting) wait, and nobody asks \(living)"
            }
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
                case .probe(let session):
                    if living != session { problem = "\(session) is probed and does not live" }
                    if probe == .asked(session) { problem = "\(session) is probed twice" }
                    probe = .asked(session)
                case .probeLater(let session):
                    if living != session || probe != nil { problem = "\(session) is to be probed for nobody" }
                    probe = .planned(session)
                case .refuse(let contender):
                    if waiting.remove(contender) == nil { problem = "\(contender) is answered twice" }
                }
            }
        }
    }
}
