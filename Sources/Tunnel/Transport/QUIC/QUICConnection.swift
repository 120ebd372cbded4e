#if QUIC
import CQUIC
import Config
import Glibc
import NIOCore

/// One QUIC connection that carries links, each a stream with a channel of its own.
///
/// Lives on its endpoint's loop. The library calls back while it works, and must not be called then:
/// what it says is kept, and acted on by `process`.
final class QUICConnection {
    /// What becomes of a connection, reported on its loop.
    struct Events {
        /// A client: the handshake is done.
        var ready: () -> Void = {}
        /// A server: the peer has opened a stream, which is active and has no handlers yet.
        var opened: (QUICStreamChannel) -> Void = { _ in }
        /// It carries nothing more; `problem` is nil where this end has closed it.
        var ended: (_ problem: QUICProblem?) -> Void = { _ in }
    }

    private enum State {
        case open
        /// Closed by this end, with this packet; packets that still come are answered with it.
        case closing([UInt8])
        /// Closed by the peer.
        case draining
        case over
    }

    let remoteAddress: SocketAddress
    let isServer: Bool
    var events = Events()
    /// The ids that packets for it carry, of a server's.
    var ids: Set<QUICID> = []
    private var handle: OpaquePointer?
    private(set) var endpoint: QUICEndpoint?
    private var state = State.open
    var streams: [Int64: QUICStreamChannel] = [:]
    var touched: [QUICStreamChannel] = []
    var isHandshakeDone = false
    private var isReadyReported = false
    var uncredited = 0
    private var answered = 0
    private var wake: Scheduled<Void>?
    private var wakeTime = NIODeadline.distantFuture
    var isDirty = false
    /// The peer is one of ours, not NodePass's.
    let isOfOwnPeer: Bool
    /// It is of no use without streams: a client's that has had one, or a server's that gets no new ones.
    private var endsWithStreams = false
    /// A server's peer has proven that it has the tunnel key, or does not have to.
    private(set) var isProven = false

    init(remoteAddress: SocketAddress, isServer: Bool, isOfOwnPeer: Bool, endpoint: QUICEndpoint) {
        self.remoteAddress = remoteAddress
        self.isServer = isServer
        self.isOfOwnPeer = isOfOwnPeer
        self.endpoint = endpoint
    }

    var owner: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    func connect(_ options: inout cq_settings, _ trust: QUICTrust, _ path: QUICPath) -> Bool {
        var callbacks = Self.callbacks
        let made = path.withAddresses { path in
            cq_connect(
                &options,
                trust.credentials.pointer,
                trust.name,
                trust.sendsName ? 1 : 0,
                &callbacks,
                owner,
                path,
                Self.now
            )
        }
        handle = made
        return made != nil
    }

    func accept(
        _ options: inout cq_settings,
        _ credentials: QUICCredentials,
        _ path: QUICPath,
        _ packet: UnsafeBufferPointer<UInt8>,
        needsToken: Bool
    ) -> Bool {
        var callbacks = Self.callbacks
        let made = path.withAddresses { path in
            cq_accept(
                &options,
                credentials.pointer,
                &callbacks,
                owner,
                path,
                packet.baseAddress,
                packet.count,
                needsToken ? 1 : 0,
                Self.now
            )
        }
        handle = made
        return made != nil
    }

    static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

    var isOpen: Bool { if case .open = state { handle != nil } else { false } }

    /// Whether it carries anything, or may still have to send the last of it.
    var carriesStreams: Bool { isOpen && !streams.isEmpty }

    // MARK: Links

    /// The certificate of the server, DER; nil before it has come.
    var peerCertificate: [UInt8]? {
        guard let handle else { return nil }
        var length = 0
        guard let bytes = cq_peer_certificate(handle, &length) else { return nil }
        return Array(UnsafeBufferPointer(start: bytes, count: length))
    }

    var peerTrust: cq_trust { handle.map { cq_peer_trust($0) } ?? CQ_NOT_TRUSTED }

    /// Whether the peer takes another stream.
    var hasRoom: Bool {
        guard isOpen, let handle else { return false }
        return cq_streams_left(handle) > 0
    }

    /// A new stream, made visible by its first byte.
    func open() -> QUICStreamChannel? {
        guard isOpen, let handle, let parent = endpoint?.channel else { return nil }
        var id: Int64 = 0
        guard let stream = cq_stream_open(handle, &id) else { return nil }
        let channel = QUICStreamChannel(self, id: id, stream: stream, parent: parent, isOfPeer: false)
        streams[id] = channel
        endsWithStreams = true
        channel.activate()
        channel.writeAndFlush(ByteBuffer(integer: QUICLink.firstByte), promise: nil)
        return channel
    }

    /// A server's peer is known now: it may send and open as much as a link's end needs.
    func proven() {
        guard !isProven else { return }
        isProven = true
        guard isOpen, let handle else { return }
        cq_credit(handle, UInt64(TunnelLimits.quicConnectionWindowBytes - TunnelLimits.quicUnprovenWindowBytes))
        cq_allow_streams(handle, TunnelLimits.quicStreams - TunnelLimits.quicUnprovenStreams)
        changed()
    }

    /// There is something to send.
    func changed() {
        endpoint?.isDue(self)
    }

    // MARK: Packets and time

    func receive(_ packet: UnsafeBufferPointer<UInt8>, _ path: QUICPath) {
        guard let handle else { return }
        switch state {
        case .open:
            let result = path.withAddresses {
                cq_receive(handle, $0, 0, packet.baseAddress, packet.count, Self.now)
            }
            if result == CQ_RETRY { endpoint?.sendRetry(packet, path) }
            handleResult(result)
            changed()
        case .closing(let close):
            answered += 1
            // Ever less often (RFC 9000 §10.2.1).
            if answered & (answered - 1) == 0 { endpoint?.send(close, path) }
        case .draining, .over: break
        }
    }

    /// Acts on what the library has said, and sends what is due.
    func process() {
        if isHandshakeDone, !isReadyReported, isOpen {
            isReadyReported = true
            events.ready()
        }
        processTouched()
        credit()
        pump()
        processTouched()
        if isOpen, streams.isEmpty, endsWithStreams { close("pool closed") }
    }

    private func processTouched() {
        while !touched.isEmpty {
            let channels = touched
            touched = []
            for channel in channels { process(channel) }
        }
    }

    private func process(_ channel: QUICStreamChannel) {
        channel.isTouched = false
        if channel.takeFirstByte() {
            channel.activate()
            events.opened(channel)
        }
        if channel.isVoid { channel.close0(error: ChannelError.eof, mode: .all, promise: nil) }
        channel.process()
        if channel.isDone { forget(channel) }
    }

    /// A stream is closed here and in the library.
    func forget(_ channel: QUICStreamChannel) {
        streams[channel.id] = nil
        channel.detach()
        changed()
    }

    /// The peer may send as much as has come: what a stream does not take is bounded by its own window, and must
    /// not keep others waiting.
    private func credit() {
        guard isOpen, let handle, uncredited > 0, !isServer || isProven else { return }
        cq_credit(handle, UInt64(uncredited))
        uncredited = 0
    }

    private func pump() {
        guard isOpen, let handle, let endpoint else { return }
        let result = cq_pump(handle, endpoint.socket.pointer, Self.now)
        guard result != CQ_FULL else { return wakeUp(at: .now() + TimeAmount(TunnelLimits.quicFullSocketPause)) }
        handleResult(result)
        schedule()
    }

    private func schedule() {
        guard isOpen, let handle else { return }
        let expiry = cq_expiry(handle)
        guard expiry < UInt64(Int64.max) else { return }
        wakeUp(at: .uptimeNanoseconds(expiry))
    }

    private func wakeUp(at time: NIODeadline) {
        guard time < wakeTime, let loop = endpoint?.channel?.eventLoop else { return }
        wake?.cancel()
        wakeTime = time
        wake = loop.assumeIsolated().scheduleTask(deadline: time) { self.woke() }
    }

    private func woke() {
        wake = nil
        wakeTime = .distantFuture
        guard isOpen, let handle else { return }
        let now = Self.now
        if cq_expiry(handle) <= now { handleResult(cq_expire(handle, now)) }
        process()
    }

    private func handleResult(_ result: cq_result) {
        guard isOpen, let handle else { return }
        switch result {
        case CQ_DRAINING:
            state = .draining
            end(problem(handle))
            freeLater(cq_closing_time(handle))
        case CQ_FORGET, CQ_RETRY:
            state = .over
            // A packet that looked like a client's, and is of nobody, is no fault of anybody.
            end(isServer && !isHandshakeDone ? nil : problem(handle))
            freeLater(0)
        case CQ_FAILED: close { cq_close_failed(handle, $0.baseAddress, $0.count, Self.now) }
        default: break
        }
    }

    private func problem(_ handle: OpaquePointer) -> QUICProblem {
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { bytes in
            cq_problem(handle, bytes.baseAddress, bytes.count)
            return bytes.baseAddress.map { String(cString: $0) } ?? ""
        }
        return QUICProblem(PlainText.line(text))
    }

    // MARK: The end

    /// Closes it, and every stream with it; the peer learns why.
    func close(_ why: String) {
        guard isOpen, let handle else { return }
        close(isOwnWish: true) { cq_close(handle, why, $0.baseAddress, $0.count, Self.now) }
    }

    /// Closes it as a connection of a peer that is not wanted.
    func cut() { close("closed") }

    private func close(isOwnWish: Bool = false, _ write: (UnsafeMutableBufferPointer<UInt8>) -> Int) {
        guard isOpen, let handle else { return }
        let problem = isOwnWish ? nil : problem(handle)
        let packet = [UInt8](unsafeUninitializedCapacity: TunnelLimits.quicPacketBytes) { $1 = write($0) }
        state = .closing(packet)
        if !packet.isEmpty { endpoint?.send(packet, path) }
        end(problem)
        freeLater(cq_closing_time(handle))
    }

    /// From where to where its packets go now.
    var path: QUICPath? {
        var (local, remote) = (sockaddr_storage(), sockaddr_storage())
        guard let handle, cq_addresses(handle, &local, &remote) != 0, let local = SocketAddress(local),
            let remote = SocketAddress(remote)
        else { return nil }
        return QUICPath(local: local, remote: remote)
    }

    private func end(_ problem: QUICProblem?) {
        wake?.cancel()
        wake = nil
        let channels = streams.values
        streams = [:]
        for channel in channels { channel.connectionEnded(problem) }
        events.ended(problem)
        events = Events()
    }

    /// Its ids stay known for so long, so that late packets are not taken for strangers'.
    private func freeLater(_ nanoseconds: UInt64) {
        guard let loop = endpoint?.channel?.eventLoop else { return free() }
        let delay = TimeAmount.nanoseconds(
            Int64(min(nanoseconds, UInt64(TimeAmount(TunnelLimits.quicClosing).nanoseconds)))
        )
        // Not now: the library may be the caller.
        loop.assumeIsolated().scheduleTask(in: delay) { self.free() }
    }

    /// The socket is gone: nothing can be sent or received any more.
    func socketClosed() {
        if isOpen {
            state = .over
            end(QUICProblem("the socket was closed"))
        }
        free()
    }

    private func free() {
        guard let handle else { return }
        state = .over
        self.handle = nil
        endpoint?.remove(self)
        endpoint = nil
        ids = []
        cq_free(handle)
    }

    /// Goes on at another socket.
    func move(to endpoint: QUICEndpoint) {
        self.endpoint = endpoint
        endsWithStreams = true
        changed()
    }
}
#endif
