import DequeModule

/// The tickets of a server's sealed sessions that have not been shown, the newest ones.
///
/// With one a client is let in to prove the key although others have failed too often from its
/// address, such as a router's that it shares with them. Each is good once, so that an observer who
/// has seen it cannot try keys with it.
package struct TicketBook: Sendable {
    /// Oldest first; those not in `unused` any more are skipped.
    private var order = Deque<String>()
    private var unused: Set<String> = []

    package init() {}

    package mutating func issue(_ tickets: [String]) {
        for ticket in tickets where unused.insert(ticket).inserted { order.append(ticket) }
        while order.count > TunnelLimits.rememberedTickets, let oldest = order.popFirst() { unused.remove(oldest) }
    }

    /// True once for each.
    package mutating func take(_ ticket: String) -> Bool {
        unused.remove(ticket) != nil
    }
}
