import Config
import HTTPTypes
import Hummingbird
import NIOCore
import Reconciler
import Tunnel

/// `GET /instances/{id}/logs`: a tunnel's recent log lines, and its new ones as they come.
struct LogRoutes: Sendable {
    let reconciler: TunnelReconciler

    private static let defaultTail = 200

    private var limits: LogLimits { reconciler.logs.limits }

    var resources: [Resource] {
        [
            Resource(
                path: "/instances/{id}/logs",
                tag: .instances,
                access: .key,
                operations: [
                    Operation(
                        method: .get,
                        id: "getInstanceLog",
                        summary: "Read a tunnel's newest log lines, or follow its log (SSE)",
                        parameters: [.tail(default: Self.defaultTail, limit: limits.lines), .follow],
                        answers: [
                            .init(
                                status: 200,
                                text: "The lines, newest last; with `follow`, `log` events of one line each",
                                schema: Schema.reference(LogView.self),
                                events: [.init(name: "log", schema: LogView.Line.name, isNumbered: false)]
                            ),
                            .badRequest,
                            .notFound,
                            .tooManyStreams,
                        ],
                        handler: read
                    )
                ],
                lookup: { context in try await reconciler.requireRow(context) }
            )
        ]
    }

    private func read(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        let count = try tail(request)
        if try request.flag("follow") { return try await follow(count, request, context) }
        let id = try await reconciler.instance(of: context).id
        return .json(LogView.object(LogView.Source(id: id, lines: reconciler.logs.tail(id, count))))
    }

    private func tail(_ request: Request) throws(APIError) -> Int {
        guard let text = request.query("tail") else { return Self.defaultTail }
        guard let count = Int(text), (1...limits.lines).contains(count) else {
            throw .outside("tail", 1...limits.lines)
        }
        return count
    }

    /// Subscribes before it checks whether the instance exists: one that is deleted in between ends
    /// the subscription.
    private func follow(_ count: Int, _ request: Request, _ context: APIRequestContext) async throws -> Response {
        let following: LogFollowing
        do throws(LogBook.TooManyFollowers) {
            following = try reconciler.logs.follow(context.instanceID, tail: count)
        } catch {
            throw APIError.tooManySubscribers
        }
        _ = try await reconciler.instance(of: context)
        return EventStream.response(opening: EventView.heartbeat, request) {
            await following.next().map { ByteBuffer(string: LogView.blocks($0)) }
        } poke: {
            following.poke()
        } onEnd: {
            following.end()
        }
    }
}

extension Operation.QueryField {
    fileprivate static func tail(default count: Int, limit: Int) -> Operation.QueryField {
        Operation.QueryField(
            name: "tail",
            text: "How many of the newest lines",
            schema: .object([
                "type": "integer", "minimum": 1, "maximum": .int(Int64(limit)), "default": .int(Int64(count)),
            ])
        )
    }

    fileprivate static let follow = Operation.QueryField(
        name: "follow",
        text: "Continue with new lines, as server-sent events",
        schema: Schema.boolean
    )
}
