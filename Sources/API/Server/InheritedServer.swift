import Config
import FoundationEssentials
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOExtras
import NIOHTTP1
import NIOPosix
import ServiceLifecycle

/// Serves a socket that the service manager has opened, as Hummingbird's own server does one that it opens itself.
struct InheritedServer {
    /// A TCP socket that listens; closed at the end, while the service manager keeps its own.
    let descriptor: NIOBSDSocket.Handle
    let responder: RouterResponder<APIRequestContext>
    let connections: Int
    let group: any EventLoopGroup
    let logger: Logger
    let onRunning: @Sendable (any Channel) async -> Void

    /// Serves until it is to end; `makeChannel` decides what a connection speaks.
    func run(_ makeChannel: (@escaping HTTPChannelHandler.Responder) -> any ServerChildChannel) async throws {
        try await serve(makeChannel(respond))
    }

    private func serve(_ child: some ServerChildChannel) async throws {
        let quiescing = ServerQuiescingHelper(group: group)
        let server = try await ServerBootstrap(group: group)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .serverChannelInitializer { [connections] channel in
                channel.eventLoop.makeCompletedFuture {
                    let places = AvailableConnectionsChannelHandler(maxConnections: connections)
                    let end = quiescing.makeServerChannelHandler(channel: channel)
                    try channel.pipeline.syncOperations.addHandlers([places, end])
                }
            }
            .bind(descriptor, serverBackPressureStrategy: nil) { [logger] in child.setup(channel: $0, logger: logger) }
        try await withGracefulShutdownHandler {
            await onRunning(server.channel)
            try await withThrowingDiscardingTaskGroup { tasks in
                try await server.executeThenClose { accepted in
                    for try await connection in accepted {
                        tasks.addTask { [logger] in await child.handle(value: connection, logger: logger) }
                    }
                }
            }
        } onGracefulShutdown: {
            quiescing.initiateShutdown(promise: nil)
        }
    }

    @concurrent @Sendable
    private func respond(
        to request: Request,
        writing writer: consuming ResponseWriter,
        on channel: any Channel
    ) async throws {
        let context = APIRequestContext(source: .init(channel: channel, logger: logger))
        var response: Response
        do {
            response = try await responder.respond(to: request, context: context)
        } catch let error as HTTPParserError {
            throw error
        } catch {
            response = Response(status: .internalServerError)
        }
        response.headers[.date] = HTTPDate.text(.now)
        let body = try await writer.writeHead(response.head)
        try await response.body.write(body)
    }
}
