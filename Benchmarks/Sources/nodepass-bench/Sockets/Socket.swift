import Glibc

/// A blocking socket of the load generator, which its owner closes.
struct Socket: Sendable {
    /// What Linux calls IP_BIND_ADDRESS_NO_PORT: the port is chosen at connect, when both ends are known.
    private static let bindAddressNoPort: Int32 = 24
    /// Enough for a burst that the generator is late to read; the system may allow less.
    private static let receiveBufferBytes: Int32 = 4 << 20
    private static let pieceBytes = 64 << 10
    /// What a narrow connection takes at a time and holds; the other end's own buffer follows the former.
    private static let narrow: (segmentBytes: Int32, bufferBytes: Int32) = (536, 4096)

    let descriptor: Int32

    private init(_ kind: __socket_type) throws {
        let type = Int32(kind.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        descriptor = socket(AF_INET, type, 0)
        guard descriptor >= 0 else { throw BenchmarkFailure(system: "socket") }
    }

    /// A TCP listener on loopback; without a port the system chooses one.
    static func listener(port: UInt16 = 0) throws -> Socket {
        let socket = try Socket(SOCK_STREAM)
        socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
        // Accepted sockets inherit it.
        socket.set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        try socket.bind(Address(port: port))
        guard listen(socket.descriptor, 4096) == 0 else { throw socket.failure("listen") }
        return socket
    }

    /// A TCP connection; a silent other end is an error after `timeout` seconds.
    ///
    /// A narrow one has small buffers at both ends, so that who sends soon feels that nobody reads.
    static func connection(
        to address: Address,
        from source: UInt32? = nil,
        timeout: Int = 5,
        isNarrow: Bool = false
    ) throws -> Socket {
        let socket = try Socket(SOCK_STREAM)
        socket.set(timeoutSeconds: timeout)
        socket.set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        if isNarrow {
            socket.set(Int32(IPPROTO_TCP), TCP_MAXSEG, narrow.segmentBytes)
            socket.set(SOL_SOCKET, SO_RCVBUF, narrow.bufferBytes)
        }
        if let source {
            socket.set(Int32(IPPROTO_IP), bindAddressNoPort, 1)
            try socket.bind(Address(host: source, port: 0))
        }
        try socket.connect(to: address)
        return socket
    }

    /// A UDP socket that takes what is sent to `port`.
    static func datagramTarget(port: UInt16 = 0) throws -> Socket {
        let socket = try Socket(SOCK_DGRAM)
        socket.set(SOL_SOCKET, SO_RCVBUF, receiveBufferBytes)
        // Beyond the system's limit, for root.
        socket.set(SOL_SOCKET, SO_RCVBUFFORCE, receiveBufferBytes)
        try socket.bind(Address(port: port))
        return socket
    }

    /// A UDP socket that talks to `address` alone.
    static func datagramSender(to address: Address) throws -> Socket {
        let socket = try Socket(SOCK_DGRAM)
        socket.set(timeoutSeconds: 1)
        try socket.connect(to: address)
        return socket
    }

    /// The port it is bound to.
    var port: UInt16 {
        var form = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &form) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = getsockname(descriptor, $0, &length)
            }
        }
        return UInt16(bigEndian: form.sin_port)
    }

    /// Whether all of it was taken.
    func send(_ bytes: UnsafeRawBufferPointer) -> Bool {
        Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// Waits until `bytes` is full; false at an end, an error or a timeout before that.
    func receive(exactly bytes: UnsafeMutableRawBufferPointer) -> Bool {
        recv(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_WAITALL)) == bytes.count
    }

    /// All that comes until the other end closes; nil at an error or a timeout before that.
    func receiveAll() -> [UInt8]? {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: Self.pieceBytes)
        while true {
            let count = recv(descriptor, &piece, piece.count, 0)
            guard count > 0 else { return count == 0 ? bytes : nil }
            bytes += piece.prefix(count)
        }
    }

    /// Wakes the thread that is blocked in it.
    func shutdown() {
        _ = Glibc.shutdown(descriptor, Int32(SHUT_RDWR))
    }

    func close() {
        _ = Glibc.close(descriptor)
    }

    private func bind(_ address: Address) throws {
        guard address.withSystemForm({ Glibc.bind(descriptor, $0, $1) }) == 0 else { throw failure("bind") }
    }

    private func connect(to address: Address) throws {
        guard address.withSystemForm({ Glibc.connect(descriptor, $0, $1) }) == 0 else { throw failure("connect") }
    }

    private func set(_ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        _ = setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private func set(timeoutSeconds: Int) {
        var value = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            _ = setsockopt(descriptor, SOL_SOCKET, option, &value, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    /// The error of the last call; the socket is closed, as its opener never gets it.
    private func failure(_ call: String) -> BenchmarkFailure {
        let failure = BenchmarkFailure(system: call)
        close()
        return failure
    }
}
