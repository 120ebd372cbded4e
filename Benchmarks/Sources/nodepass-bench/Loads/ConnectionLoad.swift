import Synchronization

/// Short connections in a closed loop: each worker connects, sends a byte, gets it back, closes, and begins again.
struct ConnectionLoad {
    struct Outcome {
        let perSecond: Double
        let p50: Double
        let p99: Double
        let max: Double
        let failures: Int
        let cpuMicrosecondsEach: Double
    }

    static let workers = 8

    /// Each worker of each run has a source address of its own, or ports in TIME_WAIT would run out.
    private static let nextSource = Atomic<UInt32>(0x7F01_0001)
    /// A failure that comes at once may not turn the loop into a flood.
    private static let pauseAfterFailure = 0.01

    let seconds: Double

    func run(through deployment: Deployment) throws -> Outcome {
        let cpuBefore = deployment.cpuSeconds
        let begin = Seconds.now
        let end = begin + seconds
        let loops = (0..<Self.workers).map { _ in
            let source = Self.nextSource.wrappingAdd(1, ordering: .relaxed).oldValue
            return Loop(to: deployment.address, from: source, until: end)
        }
        let tallies = loops.map { $0.result() }
        let elapsed = Seconds.now - begin
        let cpu = deployment.cpuSeconds - cpuBefore
        var latencies = Latencies(reserving: 0)
        for tally in tallies { latencies.add(tally.latencies) }
        let failures = tallies.reduce(0) { $0 + $1.failures }
        guard latencies.count > 0 else { throw BenchmarkFailure("no connection succeeded, \(failures) failed") }
        return Outcome(
            perSecond: Double(latencies.count) / elapsed,
            p50: latencies.microseconds(at: 0.5),
            p99: latencies.microseconds(at: 0.99),
            max: latencies.microseconds(at: 1),
            failures: failures,
            cpuMicrosecondsEach: cpu * 1e6 / Double(latencies.count)
        )
    }

    private struct Tally: Sendable {
        var latencies = Latencies(reserving: 1 << 18)
        var failures = 0
    }

    /// One worker's thread and what it leaves behind.
    private final class Loop: Sendable {
        private let tally = Mutex(Tally())
        private let worker = Mutex<Worker?>(nil)

        init(to address: Address, from source: UInt32, until end: Double) {
            let worker = Worker {
                let tally = Self.run(to: address, from: source, until: end)
                self.tally.withLock { $0 = tally }
            }
            self.worker.withLock { $0 = worker }
        }

        func result() -> Tally {
            worker.withLock { $0 }?.join()
            return tally.withLock { $0 }
        }

        private static func run(to address: Address, from source: UInt32, until end: Double) -> Tally {
            var tally = Tally()
            var byte = TCPTarget.echo
            var begin = Seconds.now
            while begin < end {
                let isAnswered = withUnsafeMutableBytes(of: &byte) { bytes in
                    guard let connection = try? Socket.connection(to: address, from: source) else { return false }
                    defer { connection.close() }
                    return connection.send(UnsafeRawBufferPointer(bytes)) && connection.receive(exactly: bytes)
                }
                let now = Seconds.now
                if isAnswered {
                    tally.latencies.add(now - begin)
                } else {
                    tally.failures += 1
                    Seconds.sleep(ConnectionLoad.pauseAfterFailure)
                }
                begin = Seconds.now
            }
            return tally
        }
    }
}
