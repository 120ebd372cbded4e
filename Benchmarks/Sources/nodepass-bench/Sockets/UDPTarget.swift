import CLinux
import Glibc
import Synchronization

/// Where every UDP tunnel leads to: echoes datagrams that ask for it, counts those of the present run.
final class UDPTarget: Sendable {
    /// What one datagram may have: a tunnel that loses their bounds makes large ones of many small ones.
    private static let slotBytes = 64 << 10

    let port: UInt16
    /// Datagrams of other runs, still under way, do not count as received.
    let run = Atomic<UInt64>(0)
    /// The size that datagrams of this run were sent with.
    let size = Atomic<Int>(0)
    /// Those that arrived as they were sent.
    let received = Atomic<Int>(0)
    /// What arrived in these and in any other: where bounds are lost, a datagram may begin in the midst of another.
    let receivedBytes = Atomic<Int>(0)
    private let socket: Socket

    /// Takes the port of `tcp`, since a tunnel has one target for both.
    init(beside tcp: TCPTarget) throws {
        socket = try Socket.datagramTarget(port: tcp.port)
        port = tcp.port
    }

    func start() {
        _ = Worker { self.receive() }
    }

    private func receive() {
        let limit = Int(CLINUX_BATCH_LIMIT)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: limit * Self.slotBytes, alignment: 64)
        var sizes = [Int32](repeating: 0, count: limit)
        var senders = [sockaddr_in](repeating: sockaddr_in(), count: limit)
        while true {
            let count = clinux_receive_batch(
                socket.descriptor,
                buffer.baseAddress,
                Self.slotBytes,
                &sizes,
                &senders
            )
            guard count > 0 else { continue }
            let present = run.load(ordering: .relaxed)
            let size = self.size.load(ordering: .relaxed)
            var whole = 0
            var bytes = 0
            for index in 0..<Int(count) {
                let start = index * Self.slotBytes
                let datagram = UnsafeRawBufferPointer(rebasing: buffer[start..<start + Int(sizes[index])])
                if datagram.first == TCPTarget.echo {
                    echo(datagram, to: &senders[index])
                    continue
                }
                bytes += datagram.count
                guard datagram.count == size, size >= DatagramLoad.headerBytes else { continue }
                if datagram.loadUnaligned(fromByteOffset: 1, as: UInt64.self) == present { whole += 1 }
            }
            received.add(whole, ordering: .relaxed)
            receivedBytes.add(bytes, ordering: .relaxed)
        }
    }

    private func echo(_ datagram: UnsafeRawBufferPointer, to sender: inout sockaddr_in) {
        withUnsafePointer(to: &sender) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                let length = socklen_t(MemoryLayout<sockaddr_in>.size)
                _ = sendto(socket.descriptor, datagram.baseAddress, datagram.count, 0, $0, length)
            }
        }
    }
}
