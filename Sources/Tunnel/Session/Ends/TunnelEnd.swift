import Config
import NIOCore

/// The end that a two-ended tunnel has now, as its task holds it.
struct TunnelEnd: Sendable {
    enum Side: Sendable {
        case server(NIOLoopBound<ServerEnd>)
        case client(NIOLoopBound<ClientEnd>)
    }

    private let side: Side
    private let expiryReminder: RepeatedTask?
    private let home: any EventLoop

    init(_ side: Side, expiryReminder: RepeatedTask?, home: any EventLoop) {
        self.side = side
        self.expiryReminder = expiryReminder
        self.home = home
    }

    /// Has a client's end try to reach its server once.
    func connect(isRepeated: Bool) async {
        guard case .client(let client) = side else { return }
        await onHome { client.value.connect(isRepeated: isRepeated) }
    }

    /// Ends the session; what it relays may finish.
    func stop() async {
        expiryReminder?.cancel()
        await onHome {
            switch side {
            case .server(let server): server.value.stop()
            case .client(let client): client.value.stop()
            }
        }
    }

    private func onHome(_ work: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { done in
            home.execute {
                work()
                done.resume()
            }
        }
    }
}
