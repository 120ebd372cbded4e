import CLinux
import Glibc

/// Moving the bytes of a pair.
extension ReactorCore {
    /// Steps of one direction before others get their turn.
    private static let stepsPerTurn = 16

    /// Does all that can be done for a pair now, within its turn.
    func advance(_ token: RelayToken, _ slot: UnsafeMutablePointer<RelaySlot>) {
        let ends = slots.ends(token.index)
        let moved = pump(slot, ends, ends + 1, fromNear: true) + pump(slot, ends + 1, ends, fromNear: false)
        let (up, down) = (ends[0].flow.next, ends[1].flow.next)
        if up == .finished, down == .finished { return drop(token, slot) }
        if moved > 0 {
            slot.pointee.lastActivity = now
            if let check = slot.pointee.terms.flightCheck, slot.pointee.flightCheck == .max {
                slot.pointee.flightCheck = now + check
            }
        }
        if ends[0].flow.hasInputEnded || ends[1].flow.hasInputEnded { slot.pointee.isHalfClosed = true }
        schedule(token, slot)
        let isDone = (up == .wait || up == .finished) && (down == .wait || down == .finished)
        if !isDone, !slot.pointee.isQueued {
            slot.pointee.isQueued = true
            queue.append(token)
        }
    }

    /// Does the steps of one direction; how many bytes were read.
    private func pump(
        _ slot: UnsafeMutablePointer<RelaySlot>,
        _ source: UnsafeMutablePointer<PairEnd>,
        _ sink: UnsafeMutablePointer<PairEnd>,
        fromNear: Bool
    ) -> Int {
        var moved = 0
        for _ in 0..<Self.stepsPerTurn {
            let outcome: RelayBytes.Outcome
            switch source.pointee.flow.next {
            case .wait, .finished: return report(moved, slot, fromNear)
            case .read: outcome = bytes.read(source, sink, &moved)
            case .write: outcome = bytes.write(source, sink)
            case .endOutput:
                _ = shutdown(sink.pointee.descriptor, Int32(SHUT_WR))
                source.pointee.flow.didEndOutput()
                continue
            }
            switch outcome {
            case .fine: continue
            case .sourceBroke:
                source.pointee.flow.sourceBroke()
                vanished(slot, sink)
            case .sinkBroke:
                // What it sent before it broke may still be there to read.
                bytes.sinkBroke(source)
                sink.pointee.flow.sourceIsReadable(mayHaveEnded: true)
                slot.pointee.isHalfClosed = true
            }
        }
        return report(moved, slot, fromNear)
    }

    private func report(_ moved: Int, _ slot: UnsafeMutablePointer<RelaySlot>, _ fromNear: Bool) -> Int {
        if moved > 0 { slot.pointee.owner?.moved(moved, fromNear: fromNear) }
        return moved
    }

    /// A side is gone: nothing can be written to it, and what was read from it has to be taken in a
    /// limited time.
    ///
    /// `other` is the end whose bytes went to it.
    func vanished(_ slot: UnsafeMutablePointer<RelaySlot>, _ other: UnsafeMutablePointer<PairEnd>) {
        bytes.sinkBroke(other)
        linger(slot.pointee.terms.lingerAfterReset, slot)
    }

    func linger(_ limit: UInt64, _ slot: UnsafeMutablePointer<RelaySlot>) {
        slot.pointee.lingerDeadline = min(slot.pointee.lingerDeadline, now + limit)
    }
}
