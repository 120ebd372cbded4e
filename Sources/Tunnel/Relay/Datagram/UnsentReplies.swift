import DequeModule

/// Replies of one listener that the kernel had no room for, in their order; what does not fit is dropped.
struct UnsentReplies<Reply> {
    private let room: DatagramRoom
    private var waiting: Deque<(reply: Reply, bytes: Int)> = []

    /// `room` bounds the bytes of all of them, and of other datagrams that wait.
    init(_ room: DatagramRoom) {
        self.room = room
    }

    var isEmpty: Bool { waiting.isEmpty }

    /// Sends a reply behind those that wait; `attempt` is false where there is no room.
    mutating func send(_ reply: Reply, bytes: Int, kept: (Reply) -> Reply, _ attempt: (Reply) -> Bool) {
        if waiting.isEmpty, attempt(reply) { return }
        guard waiting.count < TunnelLimits.unsentReplies, room.take(bytes) else { return }
        waiting.append((kept(reply), bytes))
    }

    /// Sends what waits, as far as there is room.
    mutating func retry(_ attempt: (Reply) -> Bool) {
        while let next = waiting.first, attempt(next.reply) {
            room.give(next.bytes)
            waiting.removeFirst()
        }
    }

    /// Has to be called before they are forgotten.
    mutating func dropAll() {
        for next in waiting { room.give(next.bytes) }
        waiting = []
    }
}
