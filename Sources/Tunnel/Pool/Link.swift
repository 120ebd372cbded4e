import NIOCore

/// One link of a session: a byte channel with an id, idle until one end takes it for a user.
final class Link {
    let id: LinkID
    let channel: any Channel
    let fingerprint: String?
    let hasDatagramRecords: Bool
    private let idleHandler: IdleLinkHandler

    /// Begins to watch the channel, of which `early` has been read already; events come on the
    /// channel's loop.
    init(
        id: LinkID,
        _ carrier: LinkChannel,
        early: ByteBuffer,
        isEntry: Bool,
        onEvent: @escaping (LinkID, IdleLinkHandler.Event) -> Void
    ) throws {
        self.id = id
        channel = carrier.channel
        fingerprint = carrier.fingerprint
        hasDatagramRecords = carrier.hasDatagramRecords
        idleHandler = IdleLinkHandler(early: early, expectsSilence: isEntry) { onEvent(id, $0) }
        try channel.pipeline.syncOperations.addHandler(idleHandler)
    }

    /// What came while it was idle; the channel belongs to the caller from here on.
    func release() -> EarlyBytes {
        let early = idleHandler.takeEarly()
        channel.pipeline.syncOperations.removeHandler(idleHandler, promise: nil)
        return early
    }

    func close() {
        channel.closeAtOnce()
    }
}
