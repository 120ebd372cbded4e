package import Config
package import FoundationEssentials
import Glibc
import NIOCore
import NIOPosix

/// One open connection or session of a user, as far as this end knows it.
package struct UserConnection: Sendable, Hashable {
    /// Connections that a list holds at most; the rest is counted.
    package static let listLimit = 1_000

    /// The user's address and port; at an exit as the other end reports it.
    package let user: String
    package let transport: TransportProtocol
    package let since: Date
    /// Bytes that this end has read and written on its side, as the kernel counts; nil for UDP.
    package var received: UInt64?
    package var sent: UInt64?

    package init(user: String, transport: TransportProtocol, since: Date, received: UInt64? = nil, sent: UInt64? = nil)
    {
        self.user = user
        self.transport = transport
        self.since = since
        self.received = received
        self.sent = sent
    }
}

/// The users of a tunnel: all counted, the oldest of them listed.
package struct UserConnections: Sendable, Hashable {
    package let total: Int
    package let listed: [UserConnection]

    package init(total: Int = 0, listed: [UserConnection] = []) {
        self.total = total
        self.listed = listed
    }
}

/// What the kernel counts of one TCP socket, asked for when somebody looks: the relay counts nothing for it.
struct KernelCounts: Sendable {
    let received: UInt64
    let sent: UInt64

    /// The beginning of `struct tcp_info`: 8 bytes, 24 words, then 64-bit figures.
    private typealias Head = (
        UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64,
        pacing: UInt64, maxPacing: UInt64, acknowledged: UInt64, received: UInt64
    )

    private init(_ head: Head) {
        received = head.received
        sent = head.acknowledged
    }

    /// Nil for what is not a TCP socket, or closed.
    init?(of channel: any Channel) async {
        guard let options = channel as? any SocketOptionProvider else { return nil }
        let option = NIOBSDSocket.Option(rawValue: TCP_INFO)
        let head: Head? = try? await options.unsafeGetSocketOption(level: .tcp, name: option).get()
        guard let head else { return nil }
        self.init(head)
    }

    init?(of descriptor: Int32) {
        var head: Head = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        var length = socklen_t(MemoryLayout<Head>.size)
        guard getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &head, &length) == 0 else { return nil }
        self.init(head)
    }
}
