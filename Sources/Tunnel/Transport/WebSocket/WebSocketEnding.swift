/// Decides how a WebSocket connection ends: what is sent, and when the connection below is closed.
///
/// A Close ends both directions. Two of ours end one with an empty message.
struct WebSocketEnding: Hashable {
    enum Action: Hashable {
        /// Send the empty message.
        case sendEnd
        case sendClose
        /// The peer will send nothing more.
        case endInput
        /// Close what is below, once everything has been written.
        case shut
    }

    private let canHalfClose: Bool
    private var hasInputEnded = false
    private(set) var hasOutputEnded = false
    private(set) var isClosing = false
    private var hasSentClose = false

    init(canHalfClose: Bool) {
        self.canHalfClose = canHalfClose
    }

    /// This end sends nothing more.
    mutating func endOutput() -> [Action] {
        guard !hasOutputEnded, !isClosing else { return [] }
        hasOutputEnded = true
        guard canHalfClose else { return sendClose() }
        return hasInputEnded ? shut() : [.sendEnd]
    }

    /// This end wants neither direction.
    mutating func close() -> [Action] {
        isClosing ? [] : shut()
    }

    /// The peer has sent an empty message.
    mutating func receivedEmptyMessage() -> [Action] {
        guard canHalfClose, !hasInputEnded, !isClosing else { return [] }
        hasInputEnded = true
        return [.endInput] + (hasOutputEnded ? shut() : [])
    }

    /// The peer has sent a Close, which is answered at once, or has ended what is below.
    mutating func receivedClose() -> [Action] {
        isClosing ? [] : shut()
    }

    private mutating func shut() -> [Action] {
        isClosing = true
        hasOutputEnded = true
        return sendClose() + [.shut]
    }

    private mutating func sendClose() -> [Action] {
        guard !hasSentClose else { return [] }
        hasSentClose = true
        return [.sendClose]
    }
}
