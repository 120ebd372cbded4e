import CLinux
import Synchronization

/// Sends datagrams of several users at a fixed rate, whatever becomes of them, and counts those that arrive.
struct DatagramLoad {
    struct Outcome {
        let sentPerSecond: Double
        let receivedPerSecond: Double
        /// Datagrams that did not arrive as they were sent, of those sent.
        let lossPercent: Double
        /// Bytes that did not arrive: less than the loss of datagrams when some were merged.
        let byteLossPercent: Double
        let cpuMicrosecondsEach: Double
    }

    /// What the target asks for, and the number of the run.
    static let headerBytes = 9
    /// As many source addresses, each a session of the subject.
    static let users = 8

    private static let tickSeconds = 0.000_5
    /// What is still under way when nothing has arrived for this long is lost.
    private static let quietSeconds = 0.2
    private static let quietLimitSeconds = 2.0
    private static let openingAttempts = 5

    let size: Int
    let rate: Int
    let seconds: Double

    func run(through deployment: Deployment, to target: UDPTarget) throws -> Outcome {
        let users = try (0..<Self.users).map { _ in try Socket.datagramSender(to: deployment.address) }
        defer { users.forEach { $0.close() } }
        for user in users { try Self.openSession(user) }
        let run = UInt64.random(in: 1 ... .max)
        target.run.store(run, ordering: .relaxed)
        target.size.store(size, ordering: .relaxed)
        let receivedBefore = target.received.load(ordering: .relaxed)
        let bytesBefore = target.receivedBytes.load(ordering: .relaxed)
        let cpuBefore = deployment.cpuSeconds
        let begin = Seconds.now
        let sent = send(run, from: users, begin: begin)
        let elapsed = Seconds.now - begin
        awaitQuiet(target)
        let received = target.received.load(ordering: .relaxed) - receivedBefore
        let cpu = deployment.cpuSeconds - cpuBefore
        let bytes = target.receivedBytes.load(ordering: .relaxed) - bytesBefore
        guard sent > 0, bytes > 0 else { throw BenchmarkFailure("no datagram arrived") }
        return Outcome(
            sentPerSecond: Double(sent) / elapsed,
            receivedPerSecond: Double(received) / elapsed,
            lossPercent: Double(sent - received) / Double(sent) * 100,
            byteLossPercent: (1 - Double(bytes) / Double(sent * size)) * 100,
            cpuMicrosecondsEach: cpu * 1e6 / (Double(bytes) / Double(size))
        )
    }

    /// Opens the user's session, so that its set-up is not measured as loss.
    private static func openSession(_ user: Socket) throws {
        var message = [UInt8](repeating: TCPTarget.echo, count: headerBytes)
        for _ in 0..<openingAttempts {
            let isAnswered = message.withUnsafeMutableBytes {
                user.send(UnsafeRawBufferPointer($0)) && user.receive(exactly: $0)
            }
            if isAnswered { return }
        }
        throw BenchmarkFailure("no answer to \(openingAttempts) datagrams")
    }

    private func send(_ run: UInt64, from users: [Socket], begin: Double) -> Int {
        clinux_set_timer_slack(1)
        // Subjects started later would inherit it.
        defer { clinux_set_timer_slack(0) }
        let limit = Int(CLINUX_BATCH_LIMIT)
        let batch = UnsafeMutableRawBufferPointer.allocate(byteCount: limit * size, alignment: 64)
        defer { batch.deallocate() }
        batch.initializeMemory(as: UInt8.self, repeating: TCPTarget.sink)
        for index in 0..<limit { batch.storeBytes(of: run, toByteOffset: index * size + 1, as: UInt64.self) }
        var sent = 0
        var turn = 0
        var now = begin
        while now < begin + seconds {
            var due = Int((now - begin) * Double(rate)) - sent
            // Every user sends a share of what is due, as many of them would, and not one of them a burst.
            let share = min(max(1, due / users.count), limit)
            while due > 0 {
                let user = users[turn % users.count]
                turn += 1
                let wanted = min(due, share)
                let count = Int(clinux_send_batch(user.descriptor, batch.baseAddress, size, Int32(wanted)))
                // A subject that has gone away answers with errors; what was due then counts as sent and lost.
                let taken = count > 0 ? count : wanted
                sent += taken
                due -= taken
            }
            Seconds.sleep(until: now + Self.tickSeconds)
            now = Seconds.now
        }
        return sent
    }

    private func awaitQuiet(_ target: UDPTarget) {
        let limit = Seconds.now + Self.quietLimitSeconds
        var count = target.receivedBytes.load(ordering: .relaxed)
        while Seconds.now < limit {
            Seconds.sleep(Self.quietSeconds)
            let next = target.receivedBytes.load(ordering: .relaxed)
            if next == count { return }
            count = next
        }
    }
}
