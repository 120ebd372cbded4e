import NIOCore
import NIOSSL

/// One end of a tunnel that behaves like NodePass v1.14 with pool type 0, played by a test script.
///
/// It shares no code with what it tests. By itself it only shakes hands, fills its pool, pings and answers pings;
/// the script takes links, sends signals and reads them. `ReferencePeer+Server` and `+Client` make one,
/// `+Control` has the signals and verify, `+Relay` plays an exit or entry that serves connections.
package final class ReferencePeer: Sendable {
    package enum Role: Sendable {
        case server
        case client
    }

    /// Habits of the reference, and misbehaviour; a peer without any is as polite as the protocol allows.
    package struct Manners: OptionSet, Sendable {
        package let rawValue: Int

        package init(rawValue: Int) {
            self.rawValue = rawValue
        }

        /// The server closes its listener before it answers the handshake and binds afresh after `pause`.
        package static let rebinds = Manners(rawValue: 1 << 0)
        /// `sendVerify` closes the link it names before the signal leaves.
        package static let closesVerifyLinkFirst = Manners(rawValue: 1 << 1)
        /// An entry sends a user's first bytes on the link before it signals the link.
        package static let sendsBytesBeforeSignal = Manners(rawValue: 1 << 2)
        /// Relays answer the first end of either side with a full close of both.
        package static let neverHalfCloses = Manners(rawValue: 1 << 3)
        /// `takeLink` hands out links that have ended too.
        package static let keepsDeadLinks = Manners(rawValue: 1 << 4)
        /// `acceptVerify` fails if it is about the link that our own verify named.
        package static let diesOfCollision = Manners(rawValue: 1 << 5)
        /// `sendVerify` names no certificate, and `acceptVerify` always fails: a v1.14 server with `tls=2`.
        package static let verifiesWithoutFingerprint = Manners(rawValue: 1 << 6)
        /// Control stays open and nothing is sent on it but what the script sends.
        package static let silentOnControl = Manners(rawValue: 1 << 7)
        /// Two unreadable lines and an unknown action go before each ping.
        package static let sendsGarbageLines = Manners(rawValue: 1 << 8)
        /// A line of more than `longLineBytes` follows the first ping.
        package static let sendsLongLine = Manners(rawValue: 1 << 9)
        /// The server takes a `pause` after each byte of an id.
        package static let givesIDsSlowly = Manners(rawValue: 1 << 10)
        /// Everything on pool links and control is written byte by byte.
        package static let writesSingleBytes = Manners(rawValue: 1 << 11)
        /// The client shows the token of another key.
        package static let showsWrongToken = Manners(rawValue: 1 << 12)
        /// `sendVerify` names a certificate that nobody has.
        package static let namesWrongFingerprint = Manners(rawValue: 1 << 13)

        /// What every NodePass v1.14 does, the faults of its `tls=2` apart.
        package static let v114: Manners = [
            .rebinds, .closesVerifyLinkFirst, .sendsBytesBeforeSignal, .neverHalfCloses, .keepsDeadLinks,
            .diesOfCollision,
        ]
    }

    enum Phase: Sendable {
        case handshake
        case rebinding
        case pool
        case stopped
    }

    struct State: Sendable, CustomStringConvertible {
        var phase = Phase.handshake
        var listener: (any Channel)?
        /// Everything open, listeners included.
        var channels: [ObjectIdentifier: any Channel] = [:]
        var request: String?
        var terms: ReferenceTerms?
        var control: ReferenceLink?
        /// The zero id goes to the first link, once.
        var ids: Set<String> = []
        /// Links nobody has taken or claimed, oldest first.
        var idle: [ReferenceLink] = []
        var ownVerify: ReferenceLink?
        var signals: [ReferenceSignal] = []
        var unreadableLines = 0
        var failedDials = 0
        var lastFailure: (any Error)?

        var description: String {
            let control = control == nil ? "never up" : "was up"
            let failure = lastFailure.map { ", last failure \($0)" } ?? ""
            return "\(phase), control \(control), idle \(idle.map(\.id)), "
                + "unread \(signals.map(\.json)), \(failedDials) failed dials\(failure)"
        }
    }

    static let controlID = "00000000"
    static let longLineBytes = 1 << 19
    /// Longer lines of the other side close control, so that it cannot fill our memory.
    static let lineLimitBytes = 1 << 20
    /// After so many failed dials a client dials no more.
    static let failedDialLimit = 1000
    static let redialPause = TimeAmount.milliseconds(20)

    package let role: Role
    package let manners: Manners
    /// Where the server listens.
    package let port: Int
    let codec: ReferenceCodec
    /// The time between our pings.
    let report: TimeAmount
    /// How long a rebinding server is away, and how long it takes over each byte of a slow id.
    let pause: TimeAmount
    let certificate: ReferenceCertificate?
    let tls: TLS?
    let state = Awaited(State())

    /// How links are secured; a client checks certificates for `tls=2` only.
    enum TLS: Sendable {
        case server(NIOSSLContext)
        case client(NIOSSLContext, name: String?)

        func handler() throws -> any ChannelHandler {
            switch self {
            case .server(let context): NIOSSLServerHandler(context: context)
            case .client(let context, let name): try NIOSSLClientHandler(context: context, serverHostname: name)
            }
        }
    }

    init(
        role: Role,
        port: Int,
        key: String,
        manners: Manners,
        report: Duration,
        pause: Duration,
        certificate: ReferenceCertificate? = nil,
        tls: TLS? = nil
    ) {
        self.role = role
        self.port = port
        self.manners = manners
        self.report = TimeAmount(report)
        self.pause = TimeAmount(pause)
        self.certificate = certificate
        self.tls = tls
        codec = ReferenceCodec(key: key)
    }

    /// Waits for the handshake and returns its request as it came.
    @discardableResult
    package func handshaken() async throws -> String {
        try await state.wait(for: "the handshake") { $0.request }
    }

    /// What the handshake settled.
    package var terms: ReferenceTerms? { state.current.terms }

    /// Waits until so many dials were refused, or lost their link before it had an id.
    package func dialFailures(atLeast count: Int) async throws {
        try await state.wait(for: "\(count) failed dials") { $0.failedDials >= count ? true : nil }
    }

    /// Waits until so many links are idle, and returns all that are; they stay in the pool.
    @discardableResult
    package func links(atLeast count: Int) async throws -> [ReferenceLink] {
        try await state.wait(for: "\(count) idle links") { state in
            let links = state.idle.filter(self.isUsable)
            return links.count >= count ? links : nil
        }
    }

    /// Takes the oldest idle link for our own use.
    package func takeLink() async throws -> ReferenceLink {
        try await removeLink("an idle link", where: isUsable)
    }

    /// Takes the link that the other side named, whether or not it has ended.
    package func claim(id: String) async throws -> ReferenceLink {
        try await removeLink("link \(id)") { $0.id == id }
    }

    /// Whether an idle link counts as one.
    @Sendable
    func isUsable(_ link: ReferenceLink) -> Bool {
        manners.contains(.keepsDeadLinks) || !link.hasEnded
    }

    private func removeLink(
        _ what: String,
        where condition: @escaping @Sendable (ReferenceLink) -> Bool
    ) async throws -> ReferenceLink {
        let link = try await state.wait(for: what) { state in
            state.idle.firstIndex(where: condition).map { state.idle.remove(at: $0) }
        }
        if role == .client { dial() }
        return link
    }

    /// Closes everything, listener included, as a restarting or dying NodePass does.
    package func stop() async {
        let channels = state.change { state in
            state.phase = .stopped
            return Array(state.channels.values)
        }
        for channel in channels { channel.close(promise: nil) }
        for channel in channels { try? await channel.closeFuture.get(within: .seconds(30), "a close") }
    }

    // MARK: - For the handlers of its connections

    /// Remembers a channel until it closes, so that `stop` can close it.
    func track(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        let isStopped = state.change { state in
            state.channels[id] = channel
            return state.phase == .stopped
        }
        channel.closeFuture.whenComplete { _ in self.state.change { _ = $0.channels.removeValue(forKey: id) } }
        if isStopped { channel.close(promise: nil) }
    }

    /// Registers a link that has its id.
    func add(_ link: ReferenceLink) {
        state.change { state in
            if link.id == Self.controlID {
                state.control = link
            } else {
                state.idle.append(link)
            }
        }
    }
}

/// Why a reference peer gave up.
package enum ReferencePeerError: Error, Equatable {
    /// The server did not answer the handshake with 200.
    case refused(status: Int?, reply: String)
    /// There is no control connection to send on.
    case noControl
    /// A rule whose breach makes NodePass restart its tunnel.
    case fatal(String)
}
