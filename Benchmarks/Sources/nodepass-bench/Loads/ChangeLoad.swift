import Foundation
import Synchronization

/// PATCHes at a fixed rate, on a few connections that stay open; one that is late is sent at once.
final class ChangeLoad: Sendable {
    struct Tally: Sendable {
        var latencies = Latencies(reserving: 0)
        var failures = 0

        var made: Int { latencies.count }
    }

    private static let connections = 8

    private let tally = Mutex(Tally())
    private let workers: Mutex<[Worker]> = Mutex([])
    private let running = Atomic<Int>(ChangeLoad.connections)
    private let finish = Mutex(0.0)
    private let begin: Double

    /// Begins at once: change `i` is due `i / rate` seconds after `begin`, and none is made after `end`.
    init(api: EventLoad.API, paths: [String], rate: Int, count: Int, begin: Double, end: Double) {
        self.begin = begin
        let workers = (0..<Self.connections).map { number in
            Worker {
                let turns = stride(from: number, to: count, by: Self.connections)
                let tally = Self.run(api, paths, turns, begin: begin, end: end, rate: rate)
                self.tally.withLock {
                    $0.latencies.add(tally.latencies)
                    $0.failures += tally.failures
                }
                self.finish.withLock { $0 = Seconds.now }
                self.running.subtract(1, ordering: .releasing)
            }
        }
        self.workers.withLock { $0 = workers }
    }

    var isDone: Bool { running.load(ordering: .acquiring) == 0 }
    var made: Int { tally.withLock { $0.made } }
    /// From the first change to the last answer, once it is done.
    var elapsed: Double { finish.withLock { $0 } - begin }

    func result() -> Tally {
        workers.withLock { $0 }.forEach { $0.join() }
        return tally.withLock { $0 }
    }

    private static func run(
        _ api: EventLoad.API,
        _ paths: [String],
        _ turns: StrideTo<Int>,
        begin: Double,
        end: Double,
        rate: Int
    ) -> Tally {
        var tally = Tally()
        guard let connection = try? KeptConnection(to: api.address, key: api.key) else {
            tally.failures = 1
            return tally
        }
        defer { connection.close() }
        for turn in turns {
            Seconds.sleep(until: begin + Double(turn) / Double(rate))
            let now = Seconds.now
            guard now < end else { break }
            let body = "{\"alias\":\"\(EventMark.alias(turn, at: now))\"}"
            guard connection.status("PATCH", paths[turn % paths.count], body) == 200 else {
                tally.failures += 1
                break
            }
            tally.latencies.add(Seconds.now - now)
        }
        return tally
    }
}
