/// Decides which client has a server's tunnel: at most one session at a time, whatever arrives
/// while the present client is being asked whether it is alive.
///
/// A client that arrives while another has the tunnel is a contender. The present client is probed
/// once for all contenders; the first of them takes over when it is gone, and the others are
/// refused, or wait on if they want to: then the present client is probed again and again. A client
/// that comes back under its own name takes its place again at once.
package struct ServerSeat: Sendable {
    /// A request that passed its checks, numbered by its caller.
    package struct Contender: Sendable, Hashable {
        package let number: Int
        /// Nil for NodePass's clients, which have no name.
        package let clientID: String?
        /// It waits for the tunnel until `expire`, also while another client has it.
        package let isPatient: Bool

        package init(number: Int, clientID: String?, isPatient: Bool = false) {
            self.number = number
            self.clientID = clientID
            self.isPatient = isPatient
        }
    }

    package enum Action: Sendable, Hashable {
        /// Start the session of this number for this contender, and answer it.
        case begin(session: Int, contender: Int)
        /// End the session; its own report of that end may still come and changes nothing.
        case end(session: Int, why: EndReason)
        /// Ask the session's client whether it is alive and report `probed`.
        case probe(session: Int)
        /// Do that in a while, with `probeAgain`.
        case probeLater(session: Int)
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
    /// A probe of the holder is under way, or will be.
    private var isProbing = false

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
        guard !isProbing else { return [] }
        isProbing = true
        return [.probe(session: holder.session)]
    }

    /// What a probe of `session` has shown; one that has been replaced since says nothing.
    package mutating func probed(_ session: Int, isAlive: Bool) -> [Action] {
        guard holder?.session == session else { return [] }
        isProbing = false
        guard !contenders.isEmpty else { return [] }
        guard isAlive else { return [.end(session: session, why: .clientGone)] + vacate() }
        let refused = contenders.filter { !$0.isPatient }
        contenders.removeAll { !$0.isPatient }
        isProbing = !contenders.isEmpty
        return refused.map { .refuse(contender: $0.number) } + (isProbing ? [.probeLater(session: session)] : [])
    }

    /// The while of `probeLater` has passed.
    package mutating func probeAgain(_ session: Int) -> [Action] {
        guard holder?.session == session else { return [] }
        isProbing = !contenders.isEmpty
        return isProbing ? [.probe(session: session)] : []
    }

    /// A contender has waited long enough.
    package mutating func expire(_ number: Int) -> [Action] {
        guard contenders.contains(where: { $0.number == number }) else { return [] }
        contenders.removeAll { $0.number == number }
        return [.refuse(contender: number)]
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
        isProbing = false
        holder = Holder(session: sessionsBegun, clientID: contender.clientID)
        return .begin(session: sessionsBegun, contender: contender.number)
    }

    private mutating func takeContenders() -> [Contender] {
        defer { contenders = [] }
        return contenders
    }
}
