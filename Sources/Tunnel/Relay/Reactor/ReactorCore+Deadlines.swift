import CLinux
import Glibc

/// What happens to a pair when nothing does.
extension ReactorCore {
    private func idleDeadline(_ slot: UnsafeMutablePointer<RelaySlot>) -> UInt64 {
        guard slot.pointee.phase == .relaying else { return .max }
        let terms = slot.pointee.terms
        let limit = min(terms.idle ?? .max, slot.pointee.isHalfClosed ? terms.halfClosedIdle : .max)
        return limit == .max ? .max : slot.pointee.lastActivity + limit
    }

    /// Sees to it that the slot fires in time; it may fire early, and is scheduled anew then.
    func schedule(_ token: RelayToken, _ slot: UnsafeMutablePointer<RelaySlot>) {
        let times = slot.pointee
        let first = min(times.connectDeadline, times.lingerDeadline, min(times.flightCheck, idleDeadline(slot)))
        guard first != .max, times.timer.place < 0 || first < times.timer.deadline else { return }
        wheel.set(token.index, first, slots)
    }

    func fireTimers() {
        wheel.takeDue(now: now, slots, into: &due)
        for index in due {
            let slot = slots[index]
            // One that fired before may have ended this one's pair.
            if slot.pointee.phase != .free {
                fire(RelayToken(index: index, generation: slot.pointee.generation), slot)
            }
        }
        due.removeAll(keepingCapacity: true)
    }

    private func fire(_ token: RelayToken, _ slot: UnsafeMutablePointer<RelaySlot>) {
        if slot.pointee.connectDeadline <= now {
            dialEnded(ETIMEDOUT, token, slot)
        } else if min(slot.pointee.lingerDeadline, idleDeadline(slot)) <= now {
            return drop(token, slot)
        } else if slot.pointee.flightCheck <= now {
            checkFlight(token, slot)
        }
        if let slot = slots[token] { schedule(token, slot) }
    }

    /// Finds peers that vanished while bytes were on their way to them; see `FlightWatch`.
    private func checkFlight(_ token: RelayToken, _ slot: UnsafeMutablePointer<RelaySlot>) {
        slot.pointee.flightCheck = .max
        let ends = slots.ends(token.index)
        for (end, other) in [(ends, ends + 1), (ends + 1, ends)] {
            guard let flight = PeerFlight(of: end.pointee.descriptor) else { continue }
            let verdict = flight.verdict(.milliseconds(slot.pointee.terms.patience))
            if verdict == .gone {
                end.pointee.flow.sourceBroke()
                vanished(slot, other)
                continue
            }
            limit(end, verdict == .inFlight ? slot.pointee.terms.patience : 0)
            if verdict != .delivered, let check = slot.pointee.terms.flightCheck {
                slot.pointee.flightCheck = now + check
            }
        }
        advance(token, slot)
    }

    /// Zero is the kernel's own limit.
    private func limit(_ end: UnsafeMutablePointer<PairEnd>, _ milliseconds: UInt64) {
        guard end.pointee.isLimited != (milliseconds > 0) else { return }
        end.pointee.isLimited = milliseconds > 0
        var value = Int32(clamping: milliseconds)
        let length = socklen_t(MemoryLayout<Int32>.size)
        _ = setsockopt(end.pointee.descriptor, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &value, length)
    }
}
