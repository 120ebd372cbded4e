/// One direction of a relay as a value: from what the two sockets said it decides what to do next.
///
/// It knows neither descriptors nor memory. The sockets are edge-triggered: what they said holds
/// until a call on them says otherwise. No byte is read before all that were read have been
/// written, so that bytes wait in the kernel and their sender feels it.
struct RelayFlow {
    enum Step: Equatable {
        /// Nothing until a socket says more.
        case wait
        /// Take bytes from the source, by the way that `isBulk` says.
        case read
        /// Give what is held to the sink.
        case write
        /// Everything has been written: pass the source's end on.
        case endOutput
        case finished
    }

    enum Input { case open, ended, broken }
    enum Output { case open, ended, broken }

    private(set) var input = Input.open
    private(set) var output = Output.open
    /// Bytes that were read, or put in front, and wait to be written.
    private(set) var held = 0
    /// Whether bytes pass in bulk, so that the kernel should move them.
    private(set) var isBulk = false
    private var isReadable = false
    private var isWritable = false
    /// A short read does not show that nothing is left: the end may be behind it, or urgent data.
    private var mustReadOn = false
    private var fullReads = 0
    private var burst = 0

    /// So many reads that filled their buffer in a row make a bulk transfer.
    static let fullReadsOfBulk = 2
    /// A bulk transfer whose source has paused after fewer bytes than this is none any more.
    static let leastBurst = 64 * 1024

    var next: Step {
        guard output == .open else { return .finished }
        if held > 0 { return isWritable ? .write : .wait }
        guard input == .open else { return .endOutput }
        // What breaks or ends is found only by reading, whether or not the sink takes bytes.
        return isReadable && (isWritable || mustReadOn) ? .read : .wait
    }

    var hasInputEnded: Bool { input != .open }

    /// For another source, which has said nothing; what the sink said still holds.
    var withoutSource: RelayFlow {
        var flow = RelayFlow()
        flow.isWritable = isWritable
        return flow
    }

    // MARK: What the sockets say

    mutating func sourceIsReadable(mayHaveEnded: Bool) {
        isReadable = true
        if mayHaveEnded { mustReadOn = true }
    }

    mutating func sinkIsWritable() {
        isWritable = true
    }

    // MARK: What came of a step

    /// `count` of at most `room` bytes have been read.
    mutating func didRead(_ count: Int, room: Int) {
        held += count
        burst += count
        if count == room {
            fullReads += 1
            if fullReads >= Self.fullReadsOfBulk, !mustReadOn { isBulk = true }
        } else {
            // The kernel moves what it has in pieces, so that there a short read shows nothing.
            fullReads = 0
            if !mustReadOn, !isBulk { sourcePaused() }
        }
    }

    mutating func sourceHasNothing() {
        sourcePaused()
    }

    private mutating func sourcePaused() {
        isReadable = false
        if burst < Self.leastBurst { isBulk = false }
        burst = 0
        fullReads = 0
    }

    /// The kernel cannot move these bytes by itself.
    mutating func leaveBulk() {
        isBulk = false
        fullReads = 0
    }

    mutating func sourceEnded() {
        if input == .open { input = .ended }
    }

    /// Nothing more can be read from the source.
    mutating func sourceBroke() {
        if input == .open { input = .broken }
    }

    mutating func didWrite(_ count: Int) {
        held -= count
    }

    /// Bytes that go before those of the source.
    mutating func put(_ count: Int) {
        held += count
    }

    mutating func sinkIsFull() {
        isWritable = false
    }

    mutating func didEndOutput() {
        output = .ended
    }

    /// Nothing more can be written to the sink.
    mutating func sinkBroke() {
        output = .broken
        held = 0
    }
}
