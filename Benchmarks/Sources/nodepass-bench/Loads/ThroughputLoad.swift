import Synchronization

/// Sends as fast as the subject takes it, on some connections at once, and counts what arrives.
struct ThroughputLoad {
    struct Outcome {
        let megabytesPerSecond: Double
        let cpuSecondsPerGigabyte: Double
    }

    /// Left out of the count: slow start, growing buffers, first use of code.
    private static let warmUpSeconds = 0.5

    let streams: Int
    let seconds: Double

    func run(through deployment: Deployment, to target: TCPTarget, sending file: SendFile) throws -> Outcome {
        let connections = try (0..<streams).map { _ in try Socket.connection(to: deployment.address) }
        let workers = connections.map { file.send(to: $0) }
        Seconds.sleep(Self.warmUpSeconds)
        let before = Reading(deployment, target)
        Seconds.sleep(seconds)
        let after = Reading(deployment, target)
        connections.forEach { $0.shutdown() }
        workers.forEach { $0.join() }
        connections.forEach { $0.close() }
        target.awaitQuiet()
        let bytes = Double(after.bytes - before.bytes)
        guard bytes > 0 else { throw BenchmarkFailure("no bytes arrived") }
        return Outcome(
            megabytesPerSecond: bytes / 1e6 / (after.time - before.time),
            cpuSecondsPerGigabyte: (after.cpuSeconds - before.cpuSeconds) / (bytes / 1e9)
        )
    }

    private struct Reading {
        let time: Double
        let bytes: Int
        let cpuSeconds: Double

        init(_ deployment: Deployment, _ target: TCPTarget) {
            time = Seconds.now
            bytes = target.received.load(ordering: .relaxed)
            cpuSeconds = deployment.cpuSeconds
        }
    }
}
