import Glibc

/// What throughput sends: a file in the page cache, so that sending costs the generator no copy.
struct SendFile: Sendable {
    private static let bytes = 1 << 20

    private let descriptor: Int32

    /// Written to `directory`, all of it the byte that asks `TCPTarget` to discard.
    init(in directory: TemporaryDirectory) throws {
        descriptor = open(directory.path + "/payload", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw BenchmarkFailure(system: "open") }
        let content = [UInt8](repeating: TCPTarget.sink, count: Self.bytes)
        guard write(descriptor, content, content.count) == content.count else {
            throw BenchmarkFailure(system: "write")
        }
    }

    /// Sends it over and over until the connection ends.
    func send(to connection: Socket) -> Worker {
        Worker {
            var offset = 0
            while sendfile(connection.descriptor, descriptor, &offset, Self.bytes - offset) > 0 {
                if offset == Self.bytes { offset = 0 }
            }
        }
    }
}
