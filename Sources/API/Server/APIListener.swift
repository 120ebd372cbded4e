package import Config
import Glibc
import Hummingbird
import HummingbirdCore
package import Logging
package import NIOCore
import NIOPosix
import ServiceLifecycle
package import Tunnel

/// One socket that the API is served on, for as long as its `run()` lasts.
package struct APIListener: Service {
    package enum Address: Sendable, CustomStringConvertible {
        case tcp(Endpoint)
        /// A path; the file is ours alone (0600) or our group's too (0660), and a dead daemon's is replaced.
        case socket(String)

        package var description: String {
            switch self {
            case .tcp(let endpoint): endpoint.description
            case .socket(let path): path
            }
        }

        package var isSocket: Bool {
            if case .socket = self { true } else { false }
        }
    }

    /// What a listener says of itself.
    package enum Report: Sendable {
        /// It is open, at the address that is really bound (port 0 resolved).
        case open(Address)
        /// Its address is taken or not there, for this reason; it tries again.
        case waiting(Address, String)

        package var address: Address {
            switch self {
            case .open(let address), .waiting(let address, _): address
            }
        }
    }

    /// What one listener's clients may take, in connections and in time; see ``APILimits`` for why.
    package struct Limits: Sendable {
        package var connections = APILimits.connections
        package var idle = APILimits.idleTimeout
        package var handshake = APILimits.handshakeDeadline
        package var write = TimeAmount(APILimits.writeDeadline)

        package init() {}
    }

    /// The listener could not be opened.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    package let address: Address
    private let responder: RouterResponder<APIRequestContext>
    private let credentials: ServerCredentials?
    private let limits: Limits
    private let group: any EventLoopGroup
    private let logger: Logger
    private let waits: Bool
    private let socketGroup: UInt32?
    private let inherited: Int32?
    private let onReport: @Sendable (Report) -> Void
    private let onShutdown: @Sendable () -> Void

    /// Serves `application` over TLS where there are `credentials`; a Unix socket never does.
    ///
    /// `waits`: an address that is taken or not there is tried again, instead of ending `run()`.
    /// `socketGroup` may open the Unix socket too. `inherited` is a TCP socket that listens at the address already, and is
    /// served instead of one that would be bound. `onShutdown` ends the event streams, which would otherwise keep a graceful shutdown from
    /// ending.
    package init(
        _ address: Address,
        application: APIApplication,
        credentials: ServerCredentials? = nil,
        limits: Limits = Limits(),
        group: any EventLoopGroup,
        logger: Logger,
        waits: Bool = false,
        socketGroup: UInt32? = nil,
        inherited: Int32? = nil,
        onReport: @escaping @Sendable (Report) -> Void,
        onShutdown: @escaping @Sendable () -> Void
    ) {
        self.address = address
        if case .socket = address {
            responder = application.responder(alsoAtDefaultPrefix: true)
            self.credentials = nil
        } else {
            responder = application.responder()
            self.credentials = credentials
        }
        self.limits = limits
        self.group = group
        self.logger = logger
        self.waits = waits
        self.socketGroup = socketGroup
        self.inherited = address.isSocket ? nil : inherited
        self.onReport = onReport
        self.onShutdown = onShutdown
    }

    package func run() async throws {
        try removeStaleSocket()
        defer { removeSocket() }
        try await withGracefulShutdownHandler {
            var last = ""
            while let problem = try await serve(), !Task.isShuttingDownGracefully {
                if problem != last {
                    logger.error("The API cannot listen, tries again", metadata: ["reason": "\(problem)"])
                }
                last = problem
                onReport(.waiting(address, problem))
                try? await cancelWhenGracefulShutdown { try await Task.sleep(for: APILimits.listenRetry) }
                if Task.isCancelled || Task.isShuttingDownGracefully { return }
            }
        } onGracefulShutdown: {
            onShutdown()
        }
    }

    /// Serves until it is to end; what it waits for when it could not begin.
    private func serve() async throws -> String? {
        do {
            if let inherited {
                try await server(on: inherited).run(channel)
            } else {
                try await lookUpName()
                try await application.run()
            }
            return nil
        } catch let error as IOError {
            let problem = "cannot listen on \(address): \(words(for: error))"
            guard waits, error.errnoCode == EADDRINUSE || error.errnoCode == EADDRNOTAVAIL else {
                throw Failure(description: problem)
            }
            return problem
        } catch is SocketAddressError.UnknownHost {
            let problem = "cannot listen on \(address): its name has no address"
            guard waits else { throw Failure(description: problem) }
            return problem
        } catch is UnixDomainSocketPathWrongType {
            throw Failure(description: "cannot listen on \(address): something else has its place")
        }
    }

    /// Asks for the address first on a thread that may wait: binding asks on a shared one.
    private func lookUpName() async throws {
        guard case .tcp(let endpoint) = address, !endpoint.host.isEmpty else { return }
        let (host, port) = (endpoint.lookUpHost, Int(endpoint.port))
        guard (try? SocketAddress(ipAddress: host, port: port)) == nil else { return }
        _ = try await NIOThreadPool.singleton.runIfActive {
            try SocketAddress.makeAddressResolvingHost(host, port: port)
        }
    }

    private var application: Application<RouterResponder<APIRequestContext>> {
        Application(
            responder: responder,
            server: HTTPServerBuilder { channel($0) },
            configuration: ApplicationConfiguration(
                address: bindAddress,
                availableConnectionsDelegate: MaximumAvailableConnections(limits.connections)
            ),
            onServerRunning: began,
            eventLoopGroupProvider: .shared(group),
            logger: quietLogger
        )
    }

    private func server(on descriptor: Int32) -> InheritedServer {
        InheritedServer(
            descriptor: descriptor,
            responder: responder,
            connections: limits.connections,
            group: group,
            logger: quietLogger,
            onRunning: began
        )
    }

    /// Hummingbird logs a welcome at `info`, and logs its own cancellation as an error; `run` throws what matters.
    private var quietLogger: Logger {
        var logger = logger
        logger.logLevel = .critical
        return logger
    }

    @Sendable
    private func began(_ channel: any Channel) async {
        try? await pauseAccepting(on: channel)
        try? await keepAlive(on: channel)
        running(on: channel.localAddress)
    }

    /// Connections inherit it from the listener, so that a client that has vanished does not keep its place.
    private func keepAlive(on channel: any Channel) async throws {
        guard !address.isSocket else { return }
        try await channel.eventLoop.submit { try KeepAlive.set(.standard, on: channel) }.get()
    }

    /// What a connection speaks.
    private func channel(_ responder: @escaping HTTPChannelHandler.Responder) -> any ServerChildChannel {
        let configuration = HTTP1Channel.Configuration(
            additionalChannelHandlers: [CrossOriginFields(), StalledReader(limit: limits.write)],
            idleTimeout: limits.idle,
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: APILimits.headerBytes,
                maxHeaderListSize: APILimits.headerBytes,
                maxHeaderFieldCount: APILimits.headerFields
            )
        )
        guard let credentials else { return HTTP1Channel(responder: responder, configuration: configuration) }
        return SecureChannel(
            credentials: credentials,
            limits: limits,
            configuration: configuration,
            responder: responder,
            onReload: reloaded
        )
    }

    private func reloaded(_ outcome: ServerCredentials.ReloadOutcome) {
        switch outcome {
        case .replaced(let certificate):
            logger.notice(
                "API certificate read again",
                metadata: ["fingerprint": "\(certificate.fingerprint)", "subject": "\(certificate.subject)"]
            )
        case .rejected(let error):
            logger.error(
                "API certificate cannot be used; the previous one stays in use",
                metadata: ["reason": "\(error.message)"]
            )
        }
    }

    private var bindAddress: BindAddress {
        switch address {
        case .tcp(let endpoint):
            .hostname(endpoint.host.isEmpty ? "0.0.0.0" : endpoint.lookUpHost, port: Int(endpoint.port))
        case .socket(let path): .unixDomainSocket(path: path)
        }
    }

    /// An accept that the system refuses would end Hummingbird's loop, and the daemon with it.
    private func pauseAccepting(on channel: any Channel) async throws {
        try await channel.eventLoop.submit { [logger] in
            var pace = LinePace()
            let gate = AcceptGate { _ in
                true
            } failed: { error in
                guard pace.isDue(now: .now()) else { return }
                logger.error("The API accepts nothing for a moment", metadata: ["reason": "\(error.problem)"])
            }
            try channel.pipeline.syncOperations.addHandler(gate, position: .first)
        }.get()
    }

    private func running(on bound: SocketAddress?) {
        protectSocket()
        guard case .tcp(var endpoint) = address, let port = bound?.port else { return onReport(.open(address)) }
        endpoint.port = UInt16(clamping: port)
        onReport(.open(.tcp(endpoint)))
    }

    private func words(for error: IOError) -> String {
        let problem = error.problem
        switch error.errnoCode {
        case EADDRINUSE: return "\(problem); stop what listens there, or choose another address with --listen"
        case EADDRNOTAVAIL: return "\(problem); it is not an address of this machine now"
        case EACCES: return "\(problem); ports below 1024 need a privilege"
        default: return problem
        }
    }
}

// MARK: - The socket file

extension APIListener {
    /// Binding replaces the file, so a daemon that still answers on it must be found first.
    private func removeStaleSocket() throws {
        guard case .socket(let path) = address else { return }
        if FileState.mode(of: path) != nil, !Self.isSocket(path) {
            throw Failure(
                description: "the control socket cannot be made: \(path) is there and is no socket; "
                    + "move it away, or choose another --state-dir"
            )
        }
        guard var target = Self.socketAddress(path) else {
            throw Failure(
                description: "the path of the control socket is too long: \(path); choose a shorter --state-dir"
            )
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let answered = withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        guard !answered else {
            throw Failure(description: "another nodepass answers on \(path); stop it, or choose another --state-dir")
        }
    }

    /// The directory already keeps other users out; the file's mode is a second barrier.
    ///
    /// A group gets the way to the socket and nothing else of the directory, whose names it cannot even list.
    private func protectSocket() {
        guard case .socket(let path) = address else { return }
        guard let socketGroup else {
            chmod(path, 0o600)
            return
        }
        let directory = TextFile.directory(of: path)
        let isGiven = [(path, mode_t(0o660)), (directory, 0o710)].allSatisfy { place, mode in
            chown(place, .max, socketGroup) == 0 && chmod(place, mode) == 0
        }
        guard !isGiven else { return }
        let reason = IOError(errnoCode: errno, reason: "").problem
        chmod(path, 0o600)
        logger.error("The socket cannot be given to --socket-group", metadata: ["reason": "\(reason)"])
    }

    private func removeSocket() {
        guard case .socket(let path) = address, Self.isSocket(path) else { return }
        unlink(path)
    }

    private static func isSocket(_ path: String) -> Bool {
        FileState(path: path)?.isSocket == true
    }

    private static func socketAddress(_ path: String) -> sockaddr_un? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return address
    }
}
