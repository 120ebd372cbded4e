import Testing

@testable import Tunnel

@Suite("Which attempts to connect are under way")
struct ConnectRaceTests {
    @Test("the first stays, the one beside it is replaced by a newer one, and there are never more than two")
    func two() {
        var race = ConnectRace()
        var living: Set<Int> = [1]
        for _ in 0..<50 {
            let (begin, giveUp) = race.next()
            if let giveUp { #expect(living.remove(giveUp) != nil && giveUp != 1) }
            #expect(living.insert(begin).inserted)
            #expect(living.count == 2 && living.contains(1))
        }
    }

    @Test("a refusal of either ends the race; one that was given up says nothing")
    func end() {
        var race = ConnectRace()
        #expect(race.isOver(withFailureOf: 1))
        let former = race.next().begin
        let newest = race.next().begin
        #expect(!race.isOver(withFailureOf: former))
        #expect(race.isOver(withFailureOf: newest))
        #expect(race.isOver(withFailureOf: 1))
    }
}
