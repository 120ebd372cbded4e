import Glibc

/// The monotonic clock, in the unit that results have.
enum Seconds {
    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    static func sleep(_ seconds: Double) {
        sleep(until: now + seconds)
    }

    static func sleep(until moment: Double) {
        let whole = moment.rounded(.down)
        var time = timespec(tv_sec: Int(whole), tv_nsec: Int((moment - whole) * 1e9))
        while clock_nanosleep(CLOCK_MONOTONIC, Int32(TIMER_ABSTIME), &time, nil) == EINTR {}
    }
}
