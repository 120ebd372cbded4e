import CLinux
import Glibc

/// The life of a pair of sockets.
extension ReactorCore {
    /// A pair of which only the near socket is there yet, which is closed with the pair.
    ///
    /// Nil when the system cannot watch it; then it is closed already.
    func add(near descriptor: Int32, _ owner: any RelayOwner, _ terms: RelayTerms) -> RelayToken? {
        let token = slots.take()
        let slot = slots[token.index]
        slot.pointee.owner = owner
        slot.pointee.terms = terms
        slots.ends(token.index)[0].descriptor = descriptor
        guard watch(descriptor, token, isFar: false) else {
            drop(token, slot)
            return nil
        }
        return token
    }

    /// Connects the far socket, within `patience` milliseconds; `dialEnded` says what came of it, perhaps before this
    /// returns.
    func dial(
        _ token: RelayToken,
        _ address: SocketBytes,
        from source: SocketBytes? = nil,
        patience: UInt64,
        options: (Int32) -> Void = { _ in }
    ) {
        guard let slot = slots[token], slot.pointee.phase == .waiting, let owner = slot.pointee.owner else { return }
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, kind, 0)
        guard descriptor >= 0 else { return owner.dialEnded(errno, token, self) }
        options(descriptor)
        if let source, source.use({ Glibc.bind(descriptor, $0, $1) }) != 0 {
            return giveUp(descriptor, owner, token)
        }
        let isConnected = address.use { Glibc.connect(descriptor, $0, $1) } == 0
        guard isConnected || errno == EINPROGRESS else { return giveUp(descriptor, owner, token) }
        guard watch(descriptor, token, isFar: true) else {
            return giveUp(descriptor, owner, token)
        }
        slots.ends(token.index)[1].descriptor = descriptor
        slot.pointee.phase = .connecting
        slot.pointee.connectDeadline = now + patience
        schedule(token, slot)
        if isConnected { owner.dialEnded(0, token, self) }
    }

    private func giveUp(_ descriptor: Int32, _ owner: any RelayOwner, _ token: RelayToken) {
        let error = errno
        _ = close(descriptor)
        owner.dialEnded(error, token, self)
    }

    /// The far socket has said something for the first time.
    func connected(isBroken: Bool, _ token: RelayToken, _ slot: UnsafeMutablePointer<RelaySlot>) {
        guard slot.pointee.phase == .connecting, slot.pointee.connectDeadline != .max else { return }
        var error: Int32 = 0
        if isBroken {
            var length = socklen_t(MemoryLayout<Int32>.size)
            if getsockopt(slots.ends(token.index)[1].descriptor, SOL_SOCKET, SO_ERROR, &error, &length) != 0 {
                error = errno
            }
        }
        dialEnded(error, token, slot)
    }

    func dialEnded(_ error: Int32, _ token: RelayToken, _ slot: UnsafeMutablePointer<RelaySlot>) {
        slot.pointee.connectDeadline = .max
        if error != 0 {
            let ends = slots.ends(token.index)
            let flow = ends[1].flow
            bytes.release(ends + 1)
            ends[1].flow = flow.withoutSource
            ends[0].flow.sinkIsFull()
            slot.pointee.phase = .waiting
        }
        slot.pointee.owner?.dialEnded(error, token, self)
    }

    /// Relays a pair whose far socket is connected; `preface` goes to it first.
    func relay(_ token: RelayToken, preface: [UInt8] = []) {
        guard let slot = slots[token], slot.pointee.phase == .connecting else { return }
        slot.pointee.phase = .relaying
        slot.pointee.connectDeadline = .max
        slot.pointee.lastActivity = now
        let ends = slots.ends(token.index)
        if !preface.isEmpty { preface.withUnsafeBytes { bytes.put($0, in: ends) } }
        // A socket that was just connected takes bytes; what the near one said has been noted.
        ends[0].flow.sinkIsWritable()
        advance(token, slot)
    }

    /// Ends a pair; what has been read may still be written for a short time.
    func cut(_ token: RelayToken) {
        guard let slot = slots[token] else { return }
        guard slot.pointee.phase == .relaying else { return drop(token, slot) }
        let ends = slots.ends(token.index)
        _ = shutdown(ends[0].descriptor, Int32(SHUT_RDWR))
        ends[0].flow.sourceBroke()
        bytes.sinkBroke(ends + 1)
        linger(slot.pointee.terms.lingerAfterCut, slot)
        advance(token, slot)
    }

    /// Ends a pair at once.
    func end(_ token: RelayToken) {
        guard let slot = slots[token] else { return }
        drop(token, slot)
    }

    func drop(_ token: RelayToken, _ slot: UnsafeMutablePointer<RelaySlot>) {
        wheel.remove(token.index, slots)
        let ends = slots.ends(token.index)
        bytes.release(ends)
        bytes.release(ends + 1)
        let owner = slot.pointee.owner
        slots.giveBack(token.index)
        owner?.ended()
    }
}
