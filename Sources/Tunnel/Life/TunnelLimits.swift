import NIOCore

/// Limits of the data plane, each with its reason.
package enum TunnelLimits {
    /// A TLS connection that is closed waits this long for its peer to take the closing alert.
    static let closingAlertWait = Duration.seconds(1)
    /// Connections the kernel may hold for us before they are accepted; Linux caps it at
    /// `net.core.somaxconn`.
    static let acceptBacklog: Int32 = 4096
    /// How often the system is asked for a port that is free for TCP and UDP alike, where any will
    /// do.
    static let portChoices = 8
    /// A listener that refused a user, or could not accept one, because no descriptor was free accepts
    /// nothing for this long; trying at once would spin.
    static let acceptPause = Duration.milliseconds(100)
    /// Most connections that a listener accepts in a row before others get their turn.
    static let acceptBatch = 16
    /// How long a connection's first bytes are awaited before the target is dialled anyway, where
    /// `block` is set: servers that speak first must not wait for a client that waits for them.
    static let sniffWait = Duration.milliseconds(150)
    /// A connection with one direction ended may stay silent this long; longer means that the other
    /// end has gone.
    static let halfClosedIdle = Duration.seconds(600)
    /// After one side vanished, the other gets this long to take what was already read for it.
    static let lingerAfterReset = Duration.seconds(30)
    /// The same, where the tunnel's drain limit has cut it.
    static let lingerAfterCut = Duration.seconds(1)
    /// Bytes one side may have queued before reading from the other stops, and below which it
    /// resumes.
    static let writeBufferHighBytes = 1024 * 1024
    static let writeBufferLowBytes = 256 * 1024
    /// Most bytes taken from a socket at once; grows from the smaller one as a connection proves
    /// busy.
    static let readBufferMaxBytes = 256 * 1024
    static let readBufferInitialBytes = 8 * 1024
    /// The same under a rate limit, where big reads would come out as bursts.
    static let readBufferMaxBytesWhenLimited = 16 * 1024
    /// The largest datagram IPv4 and IPv6 can carry without jumbograms is 65,527 bytes; a buffer
    /// holds any of them.
    static let datagramBufferBytes = 65_536
    /// Datagrams read from one socket before others get their turn.
    static let datagramsPerRead: UInt = 32
    /// Asked of the kernel for each UDP listener so that bursts survive; Linux caps it at
    /// `net.core.rmem_max`.
    static let datagramSocketBufferBytes = 4 * 1024 * 1024
    /// Datagrams of one session held while its target is being resolved.
    static let datagramsWhileConnecting = 128
    /// Bytes of all datagrams, of all tunnels together, that are held so.
    static let waitingDatagramBytes = 16 * 1024 * 1024
    /// Replies of one UDP listener that wait because the kernel has no room, and how soon it is asked
    /// again.
    static let unsentReplies = 256
    static let unsentReplyPause = Duration.milliseconds(1)
    /// After this many times the wait for one address, a user whom the other end has not refused counts as connected.
    static let refusalPatience = 4
    /// A target that failed is tried last for this long.
    static let failedTargetHold = Duration.seconds(10)
    /// How long anyone waits for a name; after that the last known addresses are used, or there are
    /// none.
    static let lookUpWait = Duration.seconds(5)
    /// A name is looked up at most this often.
    static let lookUpInterval = Duration.seconds(1)
    /// A failed look-up is taken as the answer for this long.
    static let failedLookUpHold = Duration.seconds(5)
    /// Look-ups at once, each on a thread that the C library's resolver blocks; and those of names
    /// that failed last.
    static let lookUpThreads = 32
    static let lookUpRetryThreads = 8
    /// Names kept by the resolver; the oldest goes first.
    static let resolverEntries = 4096
    /// A signal has about 150 bytes; a longer line than this is not a signal.
    package static let signalLineBytes = 8192
    /// Lines in a row that are not signals before the control link is given up.
    static let badSignalLines = 32
    /// What a refusal's reason may fill of a log line.
    static let refusalTextLength = 200
    /// A handshake's head, or the body of its reply.
    package static let handshakeHeadBytes = 8192
    /// Failed handshakes of one address within a window; more are answered 429.
    ///
    /// NodePass tries again every 3 s.
    package static let handshakeFailures = 10
    package static let handshakeFailureWindow = Duration.seconds(10)
    package static let handshakeFailureAddresses = 4096
    /// Handshakes that a client of a sealed session may begin from an address that others have failed
    /// from too often, and how many of all sessions a server remembers.
    package static let sessionTickets = 8
    package static let rememberedTickets = 512
    /// What all tunnel ports together keep for connections that have not proven who they are.
    package static let unprovenBytes = 16 * 1024 * 1024
    /// What one of them is taken to need: a handshake's head, a read buffer, and its handlers.
    package static let unprovenConnectionBytes = 16 * 1024
    /// What it needs in addition while its TLS handshake runs, as measured: half of a TLS link's
    /// two ends.
    static let unprovenTLSBytes = 32 * 1024
    /// Read at once from a connection that has not proven who it is.
    static let unprovenReadBytes = 4 * 1024
    /// After an answer to a handshake the connection is closed this much later, if the peer has not
    /// closed it before.
    static let answeredLinger = Duration.milliseconds(900)
    /// Where a link's client says nothing first, a returning client's request gets this long to
    /// arrive behind its connection; every link of a NodePass client without TLS comes this much
    /// later.
    static let firstByteWait = Duration.milliseconds(8)
    /// A present client that does not answer a ping for this long makes way for another.
    static let ghostPatience = Duration.milliseconds(700)
    /// Link dials under way at once, of one tunnel.
    package static let parallelLinkDials = 32
    /// The same until the control link is there, so that it does not wait for the TLS handshakes of many
    /// links on a busy machine.
    static let firstLinkDials = 4
    /// NodePass's wait for a link's id.
    static let linkIDWait = Duration.seconds(60)
    /// Between attempts to dial links right after the handshake, when a NodePass server is
    /// rebinding its port.
    static let redialAfterHandshake = Duration.milliseconds(20)
    /// Bytes kept that a user sent over a link ahead of its signal; more wait in the kernel.
    static let linkEarlyBytes = 64 * 1024
    /// The id and certificate of a link that ended unused are remembered this long; a signal may
    /// still name it.
    static let endedLinkMemory = Duration.seconds(10)
    /// How long the own `verify` waits until there are links to choose from.
    static let verifyPatience = Duration.milliseconds(40)
    /// The same from the first link on, where none has come in that time.
    static let lateVerifyPatience = Duration.milliseconds(500)
    /// Idle links left for a peer that will take one for itself; more than one, because users may
    /// come in between.
    static let sparedLinks = 2
    /// Links named by signals that are not here yet.
    static let awaitedLinks = 1024
    /// Users that wait for a link.
    static let waitingUsers = 4096
    /// Keepalive probes without an answer before the kernel gives a user or a target up, and a link.
    static let keepAliveProbes: SocketOptionValue = 4
    static let linkKeepAliveProbes: SocketOptionValue = 3
    /// A UDP target that is sent to and silent for this long has its name looked up again, in case it has moved.
    static let silentTarget = Duration.seconds(3)
    /// The longest datagram a NodePass peer takes from a link.
    static let unframedDatagramBytes = 16_384
    /// The longest frame taken of a peer; ours are of 64 KiB at most, NodePass's of 16 KiB.
    package static let webSocketFrameBytes = 16 * 1024 * 1024
    /// Most bytes of a frame that is sent; some proxies take no more.
    static let webSocketWriteBytes = 64 * 1024
    /// A message that may be a datagram is kept until it is whole, up to this.
    static let webSocketMessageBytes = 64 * 1024
    /// Up to so many bytes are copied behind their frame's head, which saves a write.
    static let webSocketCopyBytes = 4 * 1024
    /// How often a client pings on each of its links: proxies and CDNs close what is silent for 60 s or
    /// more.
    static let webSocketPing = Duration.seconds(25)
    /// What the peer may send on one stream of HTTP/2 before it is taken: enough for one to be as fast
    /// as a connection of its own.
    static let http2StreamWindowBytes = 4 * 1024 * 1024
    /// The same for all streams of a connection together; what a stream does not take is in its own
    /// window.
    static let http2ConnectionWindowBytes = 64 * 1024 * 1024
    /// The longest frame, and the longest head of a stream.
    static let http2FrameBytes = 64 * 1024
    /// Most bytes of a frame that is sent: as much as a TLS record holds, and every peer takes.
    static let http2WriteBytes = 16 * 1024
    static let http2HeaderBytes = 16 * 1024
    /// Links in one connection; a client of ours makes another for more.
    static let http2Streams = 4096
    /// Streams that a connection may open before one of them is proven, and what they are taken to need.
    static let http2UnprovenStreams = 64
    /// What a connection that carries links may send until one of them is proven.
    static let unprovenLinkBytes = 64 * 1024
    static let unprovenHTTP2Bytes = 128 * 1024
    /// Pings and settings, and streams reset, that a peer may send in such a time.
    ///
    /// More end its connection. A NodePass client resets the stream of every user.
    static let http2ControlFrames = 1000
    static let http2Resets = 60_000
    static let http2RateWindow = Duration.seconds(30)
    /// What the peer may send on one stream of QUIC, and on all of a connection together, before it is taken.
    ///
    /// The latter is granted again as bytes come: what a stream does not take is in its own window.
    static let quicStreamWindowBytes = 4 * 1024 * 1024
    static let quicConnectionWindowBytes = 16 * 1024 * 1024
    /// Links in one connection; a client of ours makes another for more.
    static let quicStreams = 4096
    /// What a connection may open and send before one of its links is proven, and what it is taken to need.
    static let quicUnprovenStreams = 64
    static let quicUnprovenWindowBytes = 64 * 1024
    static let unprovenQUICBytes = 256 * 1024
    /// Connections of one server that are not proven: from the first number on, new ones have to show by a Retry that
    /// they are where they claim to be; at the second, there are no more.
    static let quicUnprovenBeforeRetry = 16
    static let quicUnprovenConnections = 256
    /// Answers to packets of no connection, in a second.
    static let quicAnswersPerSecond = 200
    /// QUIC's connections are kept alive at NodePass's pace, but not more often than this; one that is silent for three
    /// times as long is over.
    static let quicKeepAliveMinimum = Duration.seconds(2)
    /// How long a closed connection is remembered at most, so that late packets are not a stranger's.
    static let quicClosing = Duration.seconds(3)
    /// The longest packet that ends a connection.
    static let quicPacketBytes = 1200
    /// How soon a socket without room is asked again.
    static let quicFullSocketPause = Duration.milliseconds(1)
    /// How long a client waits for the first link of one kind where the server offers another.
    package static let alternativePatience = Duration.seconds(3)
    /// How long a kind of links that did not come about is not asked for again.
    package static let unreachableTransport = Duration.seconds(600)

    /// Delays between attempts to reach the server.
    ///
    /// The cap is lower for the first attempts, so that a server that was restarted is reached
    /// within a second.
    package static let redialBase = Duration.milliseconds(50)
    package static let redialCap = Duration.milliseconds(600)
    package static let redialEagerAttempts = 500
    /// Until a connection is answered, a new attempt begins this often beside the first.
    static let connectHedge = Duration.milliseconds(400)
    /// The kernel's longest wait before it repeats what was lost of a handshake or a signal; its own
    /// minimum for that is the same.
    static let retransmission = Duration.seconds(1)
    /// How often a client asks a server of ours whether it is there while users come, and how long
    /// without an answer makes it look for another way.
    package static let controlPulse = Duration.seconds(1)
    /// Users have come if one came within this time.
    package static let controlPulseHold = Duration.seconds(10)
    /// A link with a certificate that is new to its client waits this long for the server's word.
    static let certificateWait = Duration.seconds(2)
    /// Certificates of one session that its client accepts, the newest ones.
    static let sessionCertificates = 4
    /// A client on standby asks this often whether the tunnel is free, so that it takes over
    /// within a second.
    static let standbyInterval = Duration.milliseconds(250)
    /// The longest that a server keeps a standby's question open, as a share of the time that a handshake
    /// may take: the answer has to arrive within it.
    static let standbyHoldShare = 0.6
    /// A session that lasted this long has not failed: what follows is tried at once again.
    static let stableSession = Duration.seconds(3)
    /// Retry delays of a tunnel that cannot start.
    package static let retryBase = Duration.seconds(1)
    package static let retryCap = Duration.seconds(60)
    /// How often the files of a tunnel that failed for its certificate are looked at.
    static let certificateLook = Duration.seconds(2)
    /// Exchanges of a tunnel that its log shows in a second, at a level above `debug`.
    static let exchangeLines = 10
    /// Log lines waiting for their reader; the oldest is dropped.
    static let logLineBacklog = 4096
}
