import Config
import FoundationEssentials
import NIOCore
import NIOPosix
import NIOSSL
import Testing

@testable import TestSupport
@testable import Tunnel

/// Everything about two ends; one test at a time, because the ends judge each other by the clock.
@Suite(.serialized, .timeLimit(.minutes(1)))
enum TwoEnded {
    static let flows: [TunnelFlow] = [.reverse, .forward]
    static let transports: [PoolTransport] =
        QUICLink.isBuilt ? [.tcp, .quic, .websocket, .http2] : [.tcp, .websocket, .http2]
    /// Every kind of link, whichever way users come.
    static let ways = transports.flatMap { transport in
        flows.map { TunnelWay($0, transport) }
    }
}

/// Where users come in, and what carries them to the other end.
struct TunnelWay: CustomTestStringConvertible {
    let flow: TunnelFlow
    let transport: PoolTransport

    init(_ flow: TunnelFlow, _ transport: PoolTransport) {
        self.flow = flow
        self.transport = transport
    }

    var testDescription: String { "\(flow) over \(transport)" }
}

/// Both ends of one tunnel, as two tunnels of one engine.
struct TwoEnds {
    static let serverID = "0000000a"
    static let clientID = "0000000b"

    var server: TunnelSpec
    var client: TunnelSpec
    let flow: TunnelFlow
    /// Where users come in, TCP and UDP.
    let port: Int

    /// Over links of type 0.
    init(_ flow: TunnelFlow, to target: Int, tls: TLSMode? = nil, key: String = "secret") throws {
        try self.init(TunnelWay(flow, .tcp), to: target, tls: tls, key: key)
    }

    /// Users of a free port reach `target`, a port of 127.0.0.1.
    init(_ way: TunnelWay, to target: Int, tls: TLSMode? = nil, key: String = "secret") throws {
        flow = way.flow
        port = try FreePorts.one()
        let isReverse = flow == .reverse
        server = try .server(isReverse ? .one : .two, target: isReverse ? port : target, key: key, tls: tls)
        server.transport = way.transport
        client = .dual(meeting: Int(server.tunnel.port), target: isReverse ? target : port, key: key)
    }

    var entryID: InstanceID { flow == .reverse ? Self.serverID : Self.clientID }
    var exitID: InstanceID { flow == .reverse ? Self.clientID : Self.serverID }

    /// The spec of the end where users come in.
    var entry: TunnelSpec {
        get { flow == .reverse ? server : client }
        set { if flow == .reverse { server = newValue } else { client = newValue } }
    }

    /// The spec of the end that dials the target.
    var exit: TunnelSpec {
        get { flow == .reverse ? client : server }
        set { if flow == .reverse { client = newValue } else { server = newValue } }
    }

    /// Starts or updates both ends.
    func run(on engine: TunnelEngine, generation: Int = 0) async {
        await engine.run(Self.serverID, spec: server, generation: generation, releaseFirst: false)
        await engine.run(Self.clientID, spec: client, generation: generation, releaseFirst: false)
    }

    func ready(on engine: TunnelEngine) async throws {
        try await engine.ready(Self.serverID)
        try await engine.ready(Self.clientID)
    }
}

/// What an engine's tunnels have logged.
struct EngineLog: Sendable {
    private let lines = Awaited<[TunnelLogLine]>([])
    private let sink: AsyncStream<TunnelLogLine>.Continuation

    fileprivate init(of engine: TunnelEngine) {
        sink = engine.parts.logSink
    }

    /// Every line written before this call; lines reach their reader later than those who caused them hear of it.
    func lines() async throws -> [TunnelLogLine] {
        let mark = TunnelLogLine(id: "ffffffff", level: .debug, message: "", time: .distantPast)
        sink.yield(mark)
        return try await wait(for: "the mark") { lines in
            guard let index = lines.firstIndex(of: mark) else { return nil }
            lines.remove(at: index)
            return Array(lines[..<index])
        }
    }

    @discardableResult
    func wait<Found: Sendable>(
        for what: String,
        _ find: @escaping @Sendable (inout [TunnelLogLine]) -> Found?
    ) async throws -> Found {
        try await lines.wait(for: what, find)
    }

    /// Waits until a line of this tunnel holds the text.
    @discardableResult
    func line(_ text: String, of id: InstanceID) async throws -> TunnelLogLine {
        try await wait(for: "a log line '\(text)' of \(id)") { lines in
            lines.first { $0.id == id && $0.message.contains(text) }
        }
    }

    fileprivate func keep(_ line: TunnelLogLine) {
        lines.change { $0.append(line) }
    }
}

/// Runs an engine and keeps its log for the length of a closure.
func withKeptLog(
    environment: TunnelEnvironment = .brisk,
    peers: PeerMemory = PeerMemory(),
    _ body: @Sendable (TunnelEngine, EngineLog) async throws -> Void
) async throws {
    try await withEngine(environment: environment, peers: peers) { engine in
        let log = EngineLog(of: engine)
        async let _: Void = {
            for await line in engine.logLines {
                #expect(ForeignWords.found(in: line.message).isEmpty, "\(line.message)")
                log.keep(line)
            }
        }()
        try await body(engine, log)
    }
}

/// Runs both ends of a tunnel, and the closure once they are ready.
func withTwoEnds(
    _ ends: TwoEnds,
    environment: TunnelEnvironment = .brisk,
    _ body: @Sendable (TunnelEngine, EngineLog) async throws -> Void
) async throws {
    try await withKeptLog(environment: environment) { engine, log in
        await ends.run(on: engine)
        try await ends.ready(on: engine)
        try await body(engine, log)
    }
}

extension TunnelEnvironment {
    /// NodePass's times, shortened for tests.
    static let brisk: TunnelEnvironment = {
        var environment = TunnelEnvironment()
        environment.reportInterval = .milliseconds(500)
        environment.maxPoolInterval = .milliseconds(200)
        return environment
    }()

    /// One whose ends report, and find out about silence, so often.
    static func reporting(every interval: Duration) -> TunnelEnvironment {
        var environment = brisk
        environment.reportInterval = interval
        return environment
    }
}

extension TestClient {
    /// As `receiveAll` and `receive`, but whoever hears nothing more for long hangs up.
    func hear(_ count: Int = .max) async throws -> ByteBuffer {
        let channel = channel
        let limit = channel.eventLoop.scheduleTask(in: .seconds(15)) { channel.close(promise: nil) }
        defer { limit.cancel() }
        return try await receive(count)
    }

    /// Sends the text and hears as much back.
    func echo(_ text: String) async throws -> String {
        try await send(text)
        return String(buffer: try await hear(text.utf8.count))
    }

    /// Sends the text to a new connection, hears as much back, and hangs up.
    static func echo(_ text: String, port: Int) async throws -> String {
        let user = try await connect(port: port)
        let heard = try await user.echo(text)
        try? await user.close()
        return heard
    }
}

extension DatagramClient {
    /// The next so many datagrams; fewer if they do not come in time.
    func hear(_ count: Int) async -> [ByteBuffer] {
        let channel = channel
        let limit = channel.eventLoop.scheduleTask(in: .seconds(15)) { channel.close(promise: nil) }
        defer { limit.cancel() }
        var heard: [ByteBuffer] = []
        for await datagram in datagrams {
            heard.append(datagram)
            if heard.count == count { break }
        }
        return heard
    }
}

/// A port of 127.0.0.1 where nobody listens, nor will.
func deadPort() throws -> Int { try FreePorts.one() }

extension ReferencePeer {
    /// A connection to a server's tunnel port, inside TLS or bare, of somebody who has shaken no hands.
    static func stranger(port: Int, tls: Bool) async throws -> ReferenceLink {
        guard tls else { return try await ReferenceLink.connect(port: port) }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        let context = try NIOSSLContext(configuration: configuration)
        return try await ReferenceLink.connect(port: port, from: "127.0.0.1") {
            try NIOSSLClientHandler(context: context, serverHostname: nil)
        }
    }
}

extension ReferenceLink {
    /// A connection to a port of 127.0.0.1 from another address of the loopback net.
    static func connect(
        port: Int,
        from host: String,
        security: (@Sendable () throws -> NIOSSLClientHandler)? = nil
    ) async throws -> ReferenceLink {
        let inbox = Awaited(Inbox())
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let security { try channel.pipeline.syncOperations.addHandler(security()) }
                    try channel.pipeline.syncOperations.addHandler(InboxFillingHandler(inbox))
                }
            }
            .bind(to: try SocketAddress(ipAddress: host, port: 0))
            .connect(host: "127.0.0.1", port: port)
            .get(within: .seconds(10), "a connection to port \(port) from \(host)")
        return ReferenceLink(channel: channel, inbox: inbox)
    }
}
