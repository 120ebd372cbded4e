/// Decides which client has a server's tunnel: at most one session at a time, whatever arrives
/// while the present client is being asked whether it is alive.
///
/// A client that arrives while another has the tunnel is a contender. The present client is probed
/// once for all contenders; the first of them takes over when it is gone, and the others are
/// refused. A client that comes back under its own name takes its place again at once.
package struct ServerSeat: Sendable {
    /// A request that passed its checks, numbered by its caller.
    package struct Contender: Sendable, Hashable {
        package let number: Int
        /// Nil for NodePass's clients, which have no name.
        package let clientID: String?

        package init(number: Int, clientID: String?) {
            self.number = number
            self.clientID = clientID
        }
    }

    package enum Action: Sendable, Hashable {
        /// Start the session of this number for this contender, and answer it.
        case begin(session: Int, contender: Int)
        /// End the session; its own report of that end may still come and changes nothing.
        case end(session: Int, why: EndReason)
        /// Ask the session's client whether it is alive and report `probed`.
        case probe(session: Int)
        /// Answer that another client has the tunnel.
        case refuse(contender: Int)
    }

    package enum EndReason: Sendable, Hashable {
        case clientCameBack
        case clientGone
    }

    private struct Holder {
        let session: Int
        let clientID: String?
    }

    private var holder: Holder?
    private var contenders: [Contender] = []
    private var sessionsBegun = 0

    package init() {}

    /// The session that has the tunnel.
    package var session: Int? { holder?.session }

    /// A client asks for the tunnel.
    package mutating func request(_ contender: Contender) -> [Action] {
        guard let holder else { return [begin(contender)] }
        if let id = contender.clientID, id == holder.clientID {
            let waiting = takeContenders()
            return [.end(session: holder.session, why: .clientCameBack), begin(contender)]
                + waiting.map { .refuse(contender: $0.number) }
        }
        contenders.append(contender)
        return contenders.count == 1 ? [.probe(session: holder.session)] : []
    }

    /// What a probe of `session` has shown; one that has been replaced since says nothing.
    package mutating func probed(_ session: Int, isAlive: Bool) -> [Action] {
        guard holder?.session == session, !contenders.isEmpty else { return [] }
        guard !isAlive else { return takeContenders().map { .refuse(contender: $0.number) } }
        return [.end(session: session, why: .clientGone)] + vacate()
    }

    /// A session has ended by itself.
    package mutating func ended(_ session: Int) -> [Action] {
        guard holder?.session == session else { return [] }
        return vacate()
    }

    /// A contender's connection has closed before it was answered.
    package mutating func withdraw(_ number: Int) {
        contenders.removeAll { $0.number == number }
    }

    /// Gives the free place to the contender that has waited longest.
    private mutating func vacate() -> [Action] {
        holder = nil
        let waiting = takeContenders()
        guard let first = waiting.first else { return [] }
        return [begin(first)] + waiting.dropFirst().map { .refuse(contender: $0.number) }
    }

    private mutating func begin(_ contender: Contender) -> Action {
        sessionsBegun += 1
        holder = Holder(session: sessionsBegun, clientID: contender.clientID)
        return .begin(session: sessionsBegun, contender: contender.number)
    }

    private mutating func takeContenders() -> [Contender] {
        defer { contenders = [] }
        return contenders
    }
}
