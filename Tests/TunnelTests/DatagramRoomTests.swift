import NIOCore
import Testing

@testable import Tunnel

@Suite("Datagrams that wait for their target")
struct DatagramRoomTests {
    @Test("take the room of their bytes, not of the buffer they were read into, and give it back")
    func size() {
        let room = DatagramRoom()
        var waiting = WaitingDatagrams(room)
        var datagram = ByteBufferAllocator().buffer(capacity: TunnelLimits.datagramBufferBytes)
        datagram.writeRepeatingByte(1, count: 200)
        for _ in 0..<200 { waiting.append(datagram) }
        #expect(room.bytes < TunnelLimits.datagramsWhileConnecting * 300)
        let taken = waiting.takeAll()
        #expect(taken.count == TunnelLimits.datagramsWhileConnecting)
        #expect(taken.allSatisfy { $0 == datagram && $0.storageCapacity < 1024 })
        #expect(room.bytes == 0 && waiting.takeAll().isEmpty)
    }

    @Test("of all sessions together have one bound; what is above it is dropped")
    func bound() {
        let room = DatagramRoom(limitBytes: 1000)
        var (first, second) = (WaitingDatagrams(room), WaitingDatagrams(room))
        let datagram = ByteBuffer(repeating: 1, count: 300)
        for _ in 0..<2 { first.append(datagram) }
        for _ in 0..<5 { second.append(datagram) }
        #expect(room.bytes <= 1000)
        let (ofFirst, ofSecond) = (first.takeAll().count, second.takeAll().count)
        #expect(ofFirst == 2 && ofSecond == 0)
        second.append(datagram)
        #expect(second.takeAll().count == 1)
        #expect(room.bytes == 0)
    }

    @Test("replies that the kernel has no room for are sent later, in their order, up to a limit; the rest is dropped")
    func replies() {
        let room = DatagramRoom()
        var unsent = UnsentReplies<Int>(room)
        var sent: [Int] = []
        var free = 2
        let attempt = { (number: Int) in
            guard free > 0 else { return false }
            free -= 1
            sent.append(number)
            return true
        }
        let count = TunnelLimits.unsentReplies + 10
        for number in 0..<count { unsent.send(number, bytes: 100, kept: { $0 }, attempt) }
        #expect(sent == [0, 1] && !unsent.isEmpty)
        #expect(room.bytes == TunnelLimits.unsentReplies * 100)
        free = 3
        unsent.retry(attempt)
        // One that comes now stays behind those that wait.
        free = 1
        unsent.send(count, bytes: 100, kept: { $0 }, attempt)
        free = .max
        unsent.retry(attempt)
        #expect(sent == Array(0..<TunnelLimits.unsentReplies + 2) + [count])
        #expect(room.bytes == 0 && unsent.isEmpty)
        free = 0
        unsent.send(1, bytes: 100, kept: { $0 }, attempt)
        unsent.dropAll()
        #expect(room.bytes == 0 && unsent.isEmpty)
    }
}
