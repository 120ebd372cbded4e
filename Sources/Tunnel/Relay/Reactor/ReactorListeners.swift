import CLinux
import Glibc

/// The listening sockets of a reactor, and when each accepts again.
struct ReactorListeners {
    /// Connections that a listener accepts in a row before others get their turn.
    private static let acceptBatch = TunnelLimits.acceptBatch
    private static let acceptPause = TunnelLimits.acceptPause.wholeMilliseconds

    private struct Listening {
        let acceptor: any ReactorAcceptor
        /// When it accepts again, in milliseconds of the reactor's clock; nil while it does.
        var resumes: UInt64?
    }

    private let poll: EventPoll
    private var open: [Int32: Listening] = [:]
    private var paused = 0

    init(_ poll: EventPoll) {
        self.poll = poll
    }

    mutating func add(_ descriptor: Int32, _ acceptor: any ReactorAcceptor) {
        open[descriptor] = Listening(acceptor: acceptor)
        watch(descriptor)
    }

    mutating func remove(_ descriptor: Int32) {
        guard let listening = open.removeValue(forKey: descriptor) else { return }
        if listening.resumes == nil { poll.remove(descriptor) } else { paused -= 1 }
    }

    private func watch(_ descriptor: Int32) {
        // Level-triggered: what one turn leaves is there in the next.
        _ = poll.add(descriptor, EPOLLIN.rawValue | EPOLLEXCLUSIVE.rawValue, EventNumber.listener(descriptor))
    }

    mutating func accept(_ descriptor: Int32, _ core: ReactorCore) {
        let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard let acceptor = open[descriptor]?.acceptor else { return }
        for _ in 0..<Self.acceptBatch {
            var address = SocketBytes()
            let connection = address.receive { accept4(descriptor, $0, $1, flags) }
            if connection >= 0 {
                guard acceptor.accepted(connection, from: address, core) else { return pause(descriptor, core.now) }
                continue
            }
            switch errno {
            case EAGAIN: return
            // The connection, or its network, was gone before it was accepted (`accept(2)`).
            case EINTR, ECONNABORTED, EPROTO, ENETDOWN, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH, ENONET, EOPNOTSUPP,
                ENOPROTOOPT:
                continue
            default:
                acceptor.acceptFailed(errno)
                return pause(descriptor, core.now)
            }
        }
    }

    private mutating func pause(_ descriptor: Int32, _ now: UInt64) {
        poll.remove(descriptor)
        open[descriptor]?.resumes = now + Self.acceptPause
        paused += 1
    }

    /// Has those accept again whose pause is over.
    mutating func resume(now: UInt64) {
        guard paused > 0 else { return }
        for (descriptor, listening) in open {
            guard let resumes = listening.resumes, resumes <= now else { continue }
            open[descriptor]?.resumes = nil
            paused -= 1
            watch(descriptor)
        }
    }

    var nextResumption: UInt64? { paused > 0 ? open.values.lazy.compactMap(\.resumes).min() : nil }
}
