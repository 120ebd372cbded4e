/// Deadlines of many slots, of which most never come: a hashed timing wheel (Varghese and Lauck,
/// 1987).
///
/// A slot is in the list of the tick in which it is due, modulo the wheel's size. Entering and
/// leaving take a constant time. Deadlines are kept to a tick; one that is further away than a turn
/// of the wheel is looked at once a turn. All times are milliseconds of one clock.
struct TimingWheel {
    static let tick: UInt64 = 20
    static let size: UInt64 = 1024

    /// The first slot of each list, or -1.
    private var heads = [Int32](repeating: -1, count: Int(size))
    private var count = 0
    /// Everything due in ticks up to this one has been taken out.
    private var passed: UInt64
    /// No list of an earlier tick has a slot; nil when none has.
    private var soonest: UInt64?

    init(now: UInt64) {
        passed = now / Self.tick
    }

    /// Milliseconds until something may be due; nil when nothing waits.
    func wait(now: UInt64) -> UInt64? {
        soonest.map { max($0 * Self.tick, now) - now }
    }

    /// Has the slot fire when `deadline` has passed, in place of what it waited for before.
    mutating func set(_ index: Int32, _ deadline: UInt64, _ slots: RelaySlots) {
        remove(index, slots)
        // The tick after the deadline, so that it never fires early.
        let tick = max(deadline / Self.tick, passed) + 1
        let place = Self.place(tick)
        slots[index].pointee.timer = .init(deadline: deadline, place: Int32(place), next: heads[place], previous: -1)
        if heads[place] >= 0 { slots[heads[place]].pointee.timer.previous = index }
        heads[place] = index
        count += 1
        soonest = min(soonest ?? tick, tick)
    }

    mutating func remove(_ index: Int32, _ slots: RelaySlots) {
        let timer = slots[index].pointee.timer
        guard timer.place >= 0 else { return }
        if timer.previous >= 0 {
            slots[timer.previous].pointee.timer.next = timer.next
        } else {
            heads[Int(timer.place)] = timer.next
        }
        if timer.next >= 0 { slots[timer.next].pointee.timer.previous = timer.previous }
        slots[index].pointee.timer = .init()
        count -= 1
    }

    /// Takes out what is due by `now`.
    mutating func takeDue(now: UInt64, _ slots: RelaySlots, into due: inout [Int32]) {
        let present = now / Self.tick
        guard let soonest, present >= soonest else {
            if count == 0 { passed = max(passed, present) }
            return
        }
        // Each list once, however long nobody looked.
        var tick = max(soonest, present - min(present, Self.size - 1))
        while tick <= present {
            var index = heads[Self.place(tick)]
            while index >= 0 {
                let timer = slots[index].pointee.timer
                if timer.deadline <= now {
                    remove(index, slots)
                    due.append(index)
                }
                index = timer.next
            }
            tick += 1
        }
        passed = max(passed, present)
        self.soonest = nextList()
    }

    private func nextList() -> UInt64? {
        guard count > 0 else { return nil }
        return (1...Self.size).lazy.map { passed + $0 }.first { heads[Self.place($0)] >= 0 }
    }

    private static func place(_ tick: UInt64) -> Int { Int(tick % size) }
}
