/// Decides which attempts to connect to one address are under way: the first, and beside it one that is new.
///
/// The kernel repeats the packet that opens a connection after a second, and then ever later. Where a
/// network heals in between, a new attempt gets through sooner. The first one stays, for a peer that is
/// farther away than the interval.
package struct ConnectRace: Sendable {
    private var newest: Int?
    private var begun = 1

    package init() {}

    /// The interval has passed without an answer: what begins now, and what is given up for it.
    package mutating func next() -> (begin: Int, giveUp: Int?) {
        begun += 1
        defer { newest = begun }
        return (begun, newest)
    }

    /// Whether the end of this attempt is that of the race; one that was given up says nothing.
    ///
    /// A refusal is an answer, whichever attempt gets it.
    package func isOver(withFailureOf attempt: Int) -> Bool {
        attempt == 1 || attempt == newest
    }
}
