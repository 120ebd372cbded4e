/// One connection, one message under way: how long each way there and back takes.
struct PingPongLoad {
    struct Outcome {
        let p50: Double
        let p99: Double
    }

    static let messageBytes = 64

    private static let warmUpRounds = 200

    let seconds: Double

    func run(through deployment: Deployment) throws -> Outcome {
        let connection = try Socket.connection(to: deployment.address)
        defer { connection.close() }
        let message = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.messageBytes, alignment: 64)
        defer { message.deallocate() }
        message.initializeMemory(as: UInt8.self, repeating: TCPTarget.echo)
        for _ in 0..<Self.warmUpRounds { try exchange(message, on: connection) }
        var latencies = Latencies(reserving: 1 << 18)
        let end = Seconds.now + seconds
        var begin = Seconds.now
        while begin < end {
            try exchange(message, on: connection)
            let now = Seconds.now
            latencies.add(now - begin)
            begin = now
        }
        return Outcome(p50: latencies.microseconds(at: 0.5), p99: latencies.microseconds(at: 0.99))
    }

    private func exchange(_ message: UnsafeMutableRawBufferPointer, on connection: Socket) throws {
        guard connection.send(UnsafeRawBufferPointer(message)), connection.receive(exactly: message) else {
            throw BenchmarkFailure("the connection ended during the exchange")
        }
    }
}
