#if QUIC
import CQUIC
import Config
import NIOCore
import NIOPosix

/// A UDP socket with QUIC connections: a client's has one, a server's has those of its clients.
///
/// Gives each packet to the connection that it is for, and has connections send when everything that came
/// has been read. Lives on its channel's loop.
final class QUICEndpoint: ChannelDuplexHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundIn = AddressedEnvelope<ByteBuffer>

    enum Role {
        /// One connection, and every packet is for it: a client's, or a server's that has been moved.
        case single
        case server(QUICDoor)
    }

    let socket: QUICSocket
    private let role: Role
    private(set) var channel: (any Channel)?
    private var connections: [ObjectIdentifier: QUICConnection] = [:]
    private var ids: [QUICID: QUICConnection] = [:]
    private var due: [QUICConnection] = []
    private var isReading = false
    private var isRunDue = false
    /// Answers to packets of no connection in the present second.
    private var answers = (second: UInt64(0), count: 0)
    private var isClosing = false

    init(_ socket: QUICSocket, _ role: Role) {
        self.socket = socket
        self.role = role
    }

    func handlerAdded(context: ChannelHandlerContext) {
        channel = context.channel
        guard !due.isEmpty else { return }
        context.eventLoop.assumeIsolated().execute { self.runDue() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        channel = nil
    }

    // MARK: Connections

    var connectionCount: Int { connections.count }
    /// How often a client was asked to come back with a token.
    private(set) var retriesSent = 0

    /// Drops all connections without a word, as the end of the process does.
    func forgetAll() {
        for connection in connections.values { connection.socketClosed() }
    }

    /// Puts a connection here that is a client's, or has come from another socket.
    func hold(_ connection: QUICConnection) {
        connections[ObjectIdentifier(connection)] = connection
    }

    func add(_ id: QUICID, _ connection: QUICConnection) {
        guard case .server = role else { return }
        ids[id] = connection
    }

    func remove(_ id: QUICID) {
        ids[id] = nil
    }

    /// The connection is freed.
    func remove(_ connection: QUICConnection) {
        for id in connection.ids where ids[id] === connection { ids[id] = nil }
        connections[ObjectIdentifier(connection)] = nil
        if case .single = role { channel?.close(promise: nil) }
    }

    /// Has the connection act and send soon: behind what is being read, or behind what the loop is doing.
    func isDue(_ connection: QUICConnection) {
        guard !connection.isDirty else { return }
        connection.isDirty = true
        due.append(connection)
        guard !isReading, !isRunDue, let channel else { return }
        isRunDue = true
        channel.eventLoop.assumeIsolated().execute {
            self.isRunDue = false
            self.runDue()
        }
    }

    private func runDue() {
        let connections = due
        due = []
        for connection in connections {
            connection.isDirty = false
            connection.process()
        }
    }

    // MARK: Packets

    func path(of remote: SocketAddress) -> QUICPath {
        QUICPath(local: socket.localAddress, remote: remote)
    }

    func send(_ packet: [UInt8], _ path: QUICPath?) {
        guard let path, channel?.isActive == true else { return }
        _ = path.withAddresses { cq_send(socket.pointer, $0, packet, packet.count) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        let envelope = Self.unwrapInboundIn(data)
        let path = QUICPath(local: local(envelope.metadata?.packetInfo), remote: envelope.remoteAddress)
        let segment = envelope.metadata?.segmentSize ?? 0
        envelope.data.withUnsafeReadableBytes { bytes in
            let bytes = bytes.bindMemory(to: UInt8.self)
            // The kernel puts packets of one sender together: all of one length, the last may be shorter.
            let length = segment > 0 ? segment : bytes.count
            var start = 0
            while start < bytes.count {
                let end = min(start + length, bytes.count)
                receive(UnsafeBufferPointer(rebasing: bytes[start..<end]), path)
                start = end
            }
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        runDue()
    }

    /// Where a packet has arrived; to a client that is one place, whichever address it has at the moment.
    private func local(_ info: NIOPacketInfo?) -> SocketAddress {
        guard tellsAddresses, var address = info?.destinationAddress else { return socket.localAddress }
        address.port = socket.localAddress.port
        return address
    }

    private func receive(_ packet: UnsafeBufferPointer<UInt8>, _ path: QUICPath) {
        switch role {
        case .single: connections.values.first?.receive(packet, path)
        case .server(let door):
            var length = 0
            guard let id = cq_packet_id(packet.baseAddress, packet.count, &length) else { return }
            if let connection = ids[QUICID(UnsafeBufferPointer(start: id, count: length))] {
                guard door.accepts(connection, path.remote) else { return }
                return connection.receive(packet, path)
            }
            receiveStranger(packet, path, door)
        }
    }

    // MARK: Packets of no connection

    private func receiveStranger(_ packet: UnsafeBufferPointer<UInt8>, _ path: QUICPath, _ door: QUICDoor) {
        switch cq_packet_kind(packet.baseAddress, packet.count) {
        case CQ_INITIAL: accept(packet, path, door)
        case CQ_OTHER_VERSION: answer(path) { cq_other_version(packet.baseAddress, packet.count, $0) }
        // So that a client of a server that was restarted does not wait for its time-out.
        case CQ_STRAY: answer(path) { cq_stateless_reset(door.secret, packet.baseAddress, packet.count, $0) }
        default: break
        }
    }

    private func accept(_ packet: UnsafeBufferPointer<UInt8>, _ path: QUICPath, _ door: QUICDoor) {
        let unproven = connections.values.reduce(0) { $0 + ($1.isProven || !$1.isOpen ? 0 : 1) }
        guard unproven < TunnelLimits.quicUnprovenConnections, let visit = door.visit(path.remote) else { return }
        let needsToken = unproven >= TunnelLimits.quicUnprovenBeforeRetry
        if needsToken, !hasToken(packet, path, door) { return sendRetry(packet, path) }
        var options = visit.settings
        let connection = QUICConnection(
            remoteAddress: path.remote,
            isServer: true,
            isOfOwnPeer: visit.isOwn,
            endpoint: self
        )
        guard connection.accept(&options, visit.credentials, path, packet, needsToken: needsToken) else { return }
        hold(connection)
        visit.begin(connection)
        connection.receive(packet, path)
    }

    private func hasToken(_ packet: UnsafeBufferPointer<UInt8>, _ path: QUICPath, _ door: QUICDoor) -> Bool {
        path.withAddresses {
            cq_has_token(door.secret, $0, packet.baseAddress, packet.count, QUICConnection.now) != 0
        }
    }

    /// Has the client say again what it wants, from the address that it claims to be at.
    ///
    /// The answer is shorter than what it answers.
    func sendRetry(_ packet: UnsafeBufferPointer<UInt8>, _ path: QUICPath) {
        guard case .server(let door) = role else { return }
        retriesSent += 1
        send(
            [UInt8](unsafeUninitializedCapacity: CQ_ANSWER_BYTES) { buffer, count in
                count = path.withAddresses {
                    cq_retry(door.secret, $0, packet.baseAddress, packet.count, buffer.baseAddress, QUICConnection.now)
                }
            },
            path
        )
    }

    private func answer(_ path: QUICPath, _ write: (UnsafeMutablePointer<UInt8>?) -> Int) {
        let second = QUICConnection.now / 1_000_000_000
        if answers.second != second { answers = (second, 0) }
        guard answers.count < TunnelLimits.quicAnswersPerSecond else { return }
        answers.count += 1
        let packet = [UInt8](unsafeUninitializedCapacity: CQ_ANSWER_BYTES) { $1 = write($0.baseAddress) }
        if !packet.isEmpty { send(packet, path) }
    }

    // MARK: The end

    /// A server that gives its address up has its connections go on at sockets of their own.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if case .server(let door) = role, !isClosing {
            isClosing = true
            let former = Array(connections.values)
            for connection in former {
                guard connection.carriesStreams else { continue }
                guard moveOut(connection, door) else { continue }
                for id in connection.ids where ids[id] === connection { ids[id] = nil }
                connections[ObjectIdentifier(connection)] = nil
            }
            for connection in connections.values where connection.isOpen { connection.close("pool closed") }
        }
        context.close(mode: mode, promise: promise)
    }

    private func moveOut(_ connection: QUICConnection, _ door: QUICDoor) -> Bool {
        guard let channel, let place = door.place(), let path = connection.path,
            let socket = try? QUICSocket(takingOver: path, from: socket)
        else { return false }
        let endpoint = QUICEndpoint(socket, .single)
        endpoint.hold(connection)
        connection.move(to: endpoint)
        endpoint.begin(on: channel.eventLoop).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel): place.keep(for: channel)
            case .failure: connection.socketClosed()
            }
        }
        return true
    }

    /// A server that is bound to every address has to know which one it was asked at.
    private var tellsAddresses: Bool {
        if case .server = role { socket.isWildcard } else { false }
    }

    /// Has a channel read from the socket.
    func begin(on loop: any EventLoop) -> EventLoopFuture<any Channel> {
        let bound = NIOLoopBound(self, eventLoop: loop)
        let tellsAddresses = tellsAddresses
        return DatagramBootstrap(group: loop)
            .channelOption(
                .recvAllocator,
                value: FixedSizeRecvByteBufferAllocator(capacity: TunnelLimits.datagramBufferBytes)
            )
            .channelOption(.maxMessagesPerRead, value: TunnelLimits.datagramsPerRead)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    // Kernels before 5.0 do not put packets together.
                    if let options = channel.syncOptions,
                        (try? options.setOption(.datagramReceiveOffload, value: true)) != nil
                    {
                        try options.setOption(.datagramReceiveSegmentSize, value: true)
                    }
                    try channel.pipeline.syncOperations.addHandler(bound.value)
                }
            }
            .withBoundSocket(socket.descriptor)
            .flatMap { channel in
                guard tellsAddresses else { return channel.eventLoop.makeSucceededFuture(channel) }
                return channel.setOption(.receivePacketInfo, value: true).map { channel }
            }
    }

    func channelInactive(context: ChannelHandlerContext) {
        forgetAll()
        context.fireChannelInactive()
    }

    /// An error of one packet; what is lost is sent again.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        isReading = false
        runDue()
    }
}

/// How a server's endpoint decides who may come in.
struct QUICDoor {
    /// For the tokens of Retry and of stateless resets.
    let secret: [UInt8]
    /// What a connection from this address gets; nil where none is taken from there.
    let visit: (SocketAddress) -> QUICVisit?
    /// Whether packets of a connection may come from this address now.
    let accepts: (QUICConnection, SocketAddress) -> Bool
    /// The right to one more descriptor.
    let place: () -> DescriptorPlace?
}

struct QUICVisit {
    let settings: cq_settings
    /// Whether the session's client is one of ours.
    let isOwn: Bool
    let credentials: QUICCredentials
    let begin: (QUICConnection) -> Void
}
#endif
