/// Which pair of sockets is meant: its slot, and which of the pairs that had this slot in turn.
struct RelayToken: Hashable, Sendable {
    let index: Int32
    let generation: UInt32
}

/// What a reactor keeps of one pair of sockets, besides its two ends.
struct RelaySlot {
    enum Phase: UInt8 {
        /// Nobody's.
        case free
        /// The near socket is there; the far one is not, and nothing is being done about it here.
        case waiting
        case connecting
        case relaying
    }

    /// Its place in a `TimingWheel`.
    struct Timer {
        var deadline: UInt64 = 0
        var place: Int32 = -1
        var next: Int32 = -1
        var previous: Int32 = -1
    }

    var generation: UInt32 = 0
    var phase = Phase.free
    /// Has had a whole turn, and waits for its next.
    var isQueued = false
    var isHalfClosed = false
    var owner: (any RelayOwner)?
    var terms = RelayTerms()
    var lastActivity: UInt64 = 0
    var connectDeadline: UInt64 = .max
    var lingerDeadline: UInt64 = .max
    var flightCheck: UInt64 = .max
    var timer = Timer()
    var nextFree: Int32 = -1
}

/// One of the two sockets of a pair, and the direction that begins there.
struct PairEnd {
    var descriptor: Int32 = -1
    var flow = RelayFlow()
    var held = Held.nothing
    /// The kernel ends the connection when bytes are not acknowledged in time (`TCP_USER_TIMEOUT`).
    var isLimited = false

    /// Where the bytes are that the flow holds.
    enum Held {
        case nothing
        /// From `start` on.
        case memory(UnsafeMutableRawPointer, start: Int)
        case pipe(KernelPipe)
    }
}

/// The slots of a reactor, whose addresses stay: pieces are added, none is given back.
///
/// A token of a pair that has ended does not find the pair that has its slot now.
struct RelaySlots {
    private static let perPiece = 256
    private var pieces: [UnsafeMutablePointer<RelaySlot>] = []
    private var endPieces: [UnsafeMutablePointer<PairEnd>] = []
    private var firstFree: Int32 = -1
    private(set) var count = 0

    subscript(_ index: Int32) -> UnsafeMutablePointer<RelaySlot> {
        pieces[Int(index) / Self.perPiece] + Int(index) % Self.perPiece
    }

    /// The slot's near end, and behind it the far one.
    func ends(_ index: Int32) -> UnsafeMutablePointer<PairEnd> {
        endPieces[Int(index) / Self.perPiece] + 2 * (Int(index) % Self.perPiece)
    }

    subscript(_ token: RelayToken) -> UnsafeMutablePointer<RelaySlot>? {
        guard Int(token.index) < pieces.count * Self.perPiece else { return nil }
        let slot = self[token.index]
        return slot.pointee.generation == token.generation && slot.pointee.phase != .free ? slot : nil
    }

    mutating func take() -> RelayToken {
        if firstFree < 0 { grow() }
        let index = firstFree
        let slot = self[index]
        firstFree = slot.pointee.nextFree
        let generation = slot.pointee.generation
        slot.pointee = RelaySlot()
        slot.pointee.generation = generation
        slot.pointee.phase = .waiting
        ends(index)[0] = PairEnd()
        ends(index)[1] = PairEnd()
        count += 1
        return RelayToken(index: index, generation: generation)
    }

    mutating func giveBack(_ index: Int32) {
        let slot = self[index]
        slot.pointee.owner = nil
        slot.pointee.phase = .free
        slot.pointee.generation = (slot.pointee.generation + 1) & EventNumber.generationMask
        slot.pointee.nextFree = firstFree
        firstFree = index
        count -= 1
    }

    private mutating func grow() {
        let piece = UnsafeMutablePointer<RelaySlot>.allocate(capacity: Self.perPiece)
        piece.initialize(repeating: RelaySlot(), count: Self.perPiece)
        let ends = UnsafeMutablePointer<PairEnd>.allocate(capacity: 2 * Self.perPiece)
        ends.initialize(repeating: PairEnd(), count: 2 * Self.perPiece)
        let first = Int32(pieces.count * Self.perPiece)
        pieces.append(piece)
        endPieces.append(ends)
        for offset in (0..<Int32(Self.perPiece)).reversed() {
            piece[Int(offset)].nextFree = firstFree
            firstFree = first + offset
        }
    }

    /// Every slot in use.
    var tokens: [RelayToken] {
        (0..<Int32(pieces.count * Self.perPiece)).compactMap { index in
            let slot = self[index]
            return slot.pointee.phase == .free ? nil : RelayToken(index: index, generation: slot.pointee.generation)
        }
    }

    func deallocate() {
        for piece in pieces {
            piece.deinitialize(count: Self.perPiece)
            piece.deallocate()
        }
        for piece in endPieces { piece.deallocate() }
    }
}

/// What `epoll` gives back with an event: whose it is.
struct EventNumber {
    static let generationMask: UInt32 = 0x3fff_ffff
    static let wakeUp: UInt64 = 1 << 63 | 1 << 62
    private static let listener: UInt64 = 1 << 63

    enum Kind {
        case wakeUp
        case listener(Int32)
        case end(RelayToken, isFar: Bool)
    }

    static func listener(_ descriptor: Int32) -> UInt64 { listener | UInt64(descriptor) }

    static func end(_ token: RelayToken, isFar: Bool) -> UInt64 {
        UInt64(token.generation) << 33 | UInt64(token.index) << 1 | (isFar ? 1 : 0)
    }

    static func kind(_ number: UInt64) -> Kind {
        if number == wakeUp { return .wakeUp }
        if number & listener != 0 { return .listener(Int32(truncatingIfNeeded: number)) }
        let index = Int32(truncatingIfNeeded: number >> 1)
        return .end(RelayToken(index: index, generation: UInt32(number >> 33)), isFar: number & 1 == 1)
    }
}
