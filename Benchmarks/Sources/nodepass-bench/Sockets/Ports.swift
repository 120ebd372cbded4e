import Synchronization

/// Ports for the subjects, below those the system gives to outgoing connections.
enum Ports {
    private static let range = 11_000..<31_000
    private static let next = Atomic<Int>(Int.random(in: range))

    /// A port of 127.0.0.1 that is free for TCP and UDP now.
    static func free() throws -> UInt16 {
        for _ in range {
            let turn = next.wrappingAdd(1, ordering: .relaxed).oldValue
            let port = UInt16(range.lowerBound + turn % range.count)
            guard let tcp = try? Socket.listener(port: port) else { continue }
            defer { tcp.close() }
            guard let udp = try? Socket.datagramTarget(port: port) else { continue }
            udp.close()
            return port
        }
        throw BenchmarkFailure("no port between \(range.lowerBound) and \(range.upperBound) is free")
    }
}
