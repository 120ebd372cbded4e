import TestSupport
import Testing

@testable import Tunnel

@Suite("The values of a reactor")
struct ReactorValueTests {
    @Test("a deadline fires after its time, and within a tick of it", arguments: 0..<20)
    func wheel(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var slots = RelaySlots()
        defer { slots.deallocate() }
        let tokens = (0..<50).map { _ in slots.take() }
        var now: UInt64 = 1_000_000
        var wheel = TimingWheel(now: now)
        var expected: [Int32: UInt64] = [:]
        for _ in 0..<2000 {
            let index = tokens.randomElement(using: &random)!.index
            switch random.next() % 4 {
            case 0:
                wheel.remove(index, slots)
                expected[index] = nil
            case 1, 2:
                let span: UInt64 = Bool.random(using: &random) ? 500 : 90_000
                expected[index] = now + .random(in: 0...span, using: &random)
                wheel.set(index, expected[index]!, slots)
            default:
                let longest = wheel.wait(now: now) ?? 1000
                now += .random(in: 0...(longest + TimingWheel.tick), using: &random)
                var due: [Int32] = []
                wheel.takeDue(now: now, slots, into: &due)
                for index in due { #expect(expected.removeValue(forKey: index).map { $0 <= now } == true) }
            }
            let late = expected.values.filter { $0 + 2 * TimingWheel.tick < now }
            #expect(late.isEmpty)
        }
        #expect((wheel.wait(now: now) == nil) == expected.isEmpty)
    }

    @Test("the token of a pair that has ended does not find the one that has its slot now")
    func staleToken() throws {
        var slots = RelaySlots()
        defer { slots.deallocate() }
        let first = slots.take()
        slots.giveBack(first.index)
        let second = slots.take()
        #expect(second.index == first.index)
        #expect(slots[first] == nil)
        #expect(slots[second] != nil)
    }

    @Test("the number of an event names its end", arguments: [0, 1, 255, Int32.max], [0, EventNumber.generationMask])
    func number(index: Int32, generation: UInt32) throws {
        for isFar in [false, true] {
            let token = RelayToken(index: index, generation: generation)
            guard case .end(let read, let side) = EventNumber.kind(EventNumber.end(token, isFar: isFar)) else {
                Issue.record("not an end")
                return
            }
            #expect(read == token)
            #expect(side == isFar)
        }
        guard case .listener(index) = EventNumber.kind(EventNumber.listener(index)) else {
            Issue.record("not a listener")
            return
        }
    }

    @Test("a flow reads nothing more before what it has read is written")
    func oneAtATime() {
        var flow = RelayFlow()
        flow.sourceIsReadable(mayHaveEnded: false)
        #expect(flow.next == .wait)
        flow.sinkIsWritable()
        #expect(flow.next == .read)
        flow.didRead(10, room: 100)
        #expect(flow.next == .write)
        flow.sinkIsFull()
        #expect(flow.next == .wait)
        flow.sinkIsWritable()
        flow.didWrite(10)
        #expect(flow.next == .wait)
    }

    @Test("an end is passed on after what came before it")
    func end() {
        var flow = RelayFlow()
        flow.sinkIsWritable()
        flow.sourceIsReadable(mayHaveEnded: true)
        flow.didRead(10, room: 100)
        flow.didWrite(4)
        #expect(flow.next == .write)
        flow.didWrite(6)
        #expect(flow.next == .read)
        flow.sourceEnded()
        #expect(flow.next == .endOutput)
        flow.didEndOutput()
        #expect(flow.next == .finished)
    }

    @Test("a source that is replaced leaves what the sink said")
    func replacedSource() {
        var flow = RelayFlow()
        flow.sinkIsWritable()
        flow.sourceIsReadable(mayHaveEnded: true)
        flow = flow.withoutSource
        #expect(flow.next == .wait)
        flow.sourceIsReadable(mayHaveEnded: false)
        #expect(flow.next == .read)
    }

    @Test("full reads make a bulk transfer, a pause after little ends it")
    func bulk() {
        var flow = RelayFlow()
        flow.sinkIsWritable()
        flow.sourceIsReadable(mayHaveEnded: false)
        for _ in 0..<RelayFlow.fullReadsOfBulk {
            #expect(!flow.isBulk)
            flow.didRead(RelayBytes.scratchBytes, room: RelayBytes.scratchBytes)
            flow.didWrite(RelayBytes.scratchBytes)
        }
        #expect(flow.isBulk)
        flow.sourceHasNothing()
        #expect(flow.isBulk)
        flow.sourceIsReadable(mayHaveEnded: false)
        flow.didRead(100, room: 1000)
        flow.didWrite(100)
        flow.sourceHasNothing()
        #expect(!flow.isBulk)
    }
}
