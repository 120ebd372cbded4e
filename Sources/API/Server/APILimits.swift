package import NIOCore

/// Every limit of the API in one place, each with its reason.
package enum APILimits {
    /// A request body: the largest honest one, a tunnel with its labels, is a few KiB.
    package static let bodyBytes = 1 << 20
    /// Of a body over the limit, this much is read and discarded: a client that is still sending
    /// when the connection closes loses the answer.
    package static let discardedBodyBytes = 16 << 20
    /// A whole body must have arrived by then, so that a trickling client holds nothing for long.
    package static let bodyDeadline = Duration.seconds(30)
    /// A connection without a complete request head, or between two requests, is closed after this
    /// silence.
    package static let idleTimeout = TimeAmount.seconds(60)
    /// A TLS handshake.
    package static let handshakeDeadline = TimeAmount.seconds(15)
    /// All header fields of one request together.
    package static let headerBytes = 16 * 1024
    package static let headerFields = 100
    /// Open connections of one listener; more wait in the system's queue.
    package static let connections = 4096
    /// How often an idle event stream sends a comment, so that readers and proxies see that it is
    /// alive.
    package static let heartbeat = Duration.seconds(15)
    /// A client that reads nothing of an answer for this long is disconnected; an event stream
    /// resumes by event id.
    package static let writeDeadline = Duration.seconds(30)
    /// One line of a tunnel's log in an event; keeps an event's block under the 64 KiB that clients
    /// read.
    package static let logLineBytes = 8 * 1024
    /// How long a reconcile request may wait for tunnels.
    package static let reconcileWait = Duration.seconds(300)
    /// Notices that a new stream of the reconciler's may begin with.
    package static let noticeTail = 500
    /// How long a key that was replaced may work on.
    package static let keyGrace = Duration.seconds(7 * 86_400)
    /// How far back the short history of all tunnels may reach.
    package static let overviewWindow = Duration.seconds(600)
    /// Latency measurements at once, how long one more waits for its turn, and how long one may
    /// take.
    package static let pings = 10
    package static let pingTurn = Duration.seconds(1)
    package static let pingTimeout = Duration.seconds(5)
    /// An address that the API could not listen on is tried again this often.
    package static let listenRetry = Duration.seconds(1)
}
