import NIOCore
import Synchronization

/// Bounds the bytes of all datagrams that wait until their target or link has been reached.
///
/// One room for the process.
final class DatagramRoom: Sendable {
    private let taken = Atomic<Int>(0)
    private let limitBytes: Int

    init(limitBytes: Int = TunnelLimits.waitingDatagramBytes) {
        self.limitBytes = limitBytes
    }

    var bytes: Int { taken.load(ordering: .relaxed) }

    func take(_ bytes: Int) -> Bool {
        guard taken.wrappingAdd(bytes, ordering: .relaxed).newValue > limitBytes else { return true }
        give(bytes)
        return false
    }

    func give(_ bytes: Int) {
        taken.wrappingSubtract(bytes, ordering: .relaxed)
    }
}

/// The datagrams of one session that wait; what does not fit is dropped.
struct WaitingDatagrams {
    /// What one datagram costs beside its bytes.
    private static let overheadBytes = 64

    private let room: DatagramRoom
    private var datagrams: [ByteBuffer] = []
    private var bytes = 0

    init(_ room: DatagramRoom) {
        self.room = room
    }

    mutating func append(_ datagram: ByteBuffer) {
        let cost = datagram.readableBytes + Self.overheadBytes
        guard datagrams.count < TunnelLimits.datagramsWhileConnecting, room.take(cost) else { return }
        bytes += cost
        // A copy: what was read has a buffer for the longest datagram, however short it is.
        datagrams.append(ByteBuffer(bytes: datagram.readableBytesView))
    }

    /// Nothing waits any more; has to be called before the session is forgotten.
    @discardableResult
    mutating func takeAll() -> [ByteBuffer] {
        defer {
            room.give(bytes)
            datagrams = []
            bytes = 0
        }
        return datagrams
    }
}
