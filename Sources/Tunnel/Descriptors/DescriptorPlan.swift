/// How many file descriptors the process may open, divided by what they are for.
///
/// A process without a free descriptor cannot read a file, answer a request or close a tunnel in order, and libdispatch
/// ends it: once a second it opens `/proc/self/task/…/stat` while work waits, and traps where that fails. So tunnels get
/// a budget, and what is left over is the reserve of everything else.
package struct DescriptorPlan: Sendable, Hashable {
    /// What a descriptor of a tunnel is for.
    package enum Purpose: Sendable, Hashable, CaseIterable {
        /// A listener, or a connection that begins a session: without them there is no tunnel.
        case tunnel
        /// A user who has to wait for a link.
        case entry
        /// A link, or anything else that comes to a tunnel port.
        case link
        /// What is dialled for a user, and a user who needs no further link.
        case target
    }

    /// What the system lets the process open.
    package let limit: Int
    /// Connections to the API, on all its listeners together.
    package let api: Int
    /// All that tunnels may hold, users included.
    package let tunnels: Int
    /// How far users may fill it; the rest starts, moves and connects tunnels while users have all theirs.
    package let users: Int
    /// Connections that listeners may have accepted at one moment only to refuse them, beyond one each; part of the
    /// reserve.
    let burst: Int
    /// Pipes that each core's reactor may hold, of two descriptors each; part of the reserve.
    let pipes: Int

    /// `api` is how many connections the API takes at most, 0 where there is none.
    package init(limit: Int, cores: Int, api: Int) {
        self.limit = limit
        self.api = min(api, limit / 8)
        // A part for what lasts a moment: half of it for pipes, as far as they are of use.
        let passing = limit / 32
        pipes = min(Self.mostPipes, passing / (4 * cores))
        burst = passing - 2 * pipes * cores
        tunnels = max(0, limit - Self.runtime(cores) - passing - self.api)
        users = tunnels - tunnels / 8
    }

    /// More are of no use: they are held only while bytes pass through them.
    private static let mostPipes = 32

    /// What the process itself opens: 31 when it starts on two cores (standard streams, the store, sockets of the API,
    /// signals, inotify, event loops with 3 and reactors with 2 each), then manifests, `/proc`, certificates, name
    /// look-ups and latency measurements, of which the threads and named limits allow a few at a time.
    private static func runtime(_ cores: Int) -> Int { 48 + 8 * cores }

    /// From here on a tunnel is held to its fair part.
    package var scarce: Int { users - users / 4 }

    /// A tunnel gets this many however many others there are.
    static let leastPart = 8

    /// What each of `holders` tunnels may hold when descriptors are scarce.
    func fairPart(of holders: Int) -> Int { max(Self.leastPart, users / max(1, holders)) }

    /// How many descriptors may be taken when there is one more for this.
    ///
    /// The further a user has come, the more: who waits at an entry must leave room for links, and these for who uses
    /// them and for targets.
    func ceiling(of purpose: Purpose) -> Int {
        switch purpose {
        case .tunnel: tunnels
        case .target: users
        case .link: users - users / 8
        case .entry: scarce
        }
    }

    /// Whether a tunnel that holds `held` of the `taken` descriptors may have `count` more.
    ///
    /// The last quarter is for tunnels below their fair part, so that one cannot take what others have not asked for yet.
    func admits(_ count: Int, for purpose: Purpose, taken: Int, held: Int, holders: Int) -> Bool {
        guard taken + count <= ceiling(of: purpose) else { return false }
        return purpose == .tunnel || taken + count <= scarce || held + count <= fairPart(of: holders)
    }
}
