import Config
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Tunnel

/// `GET /tcping`: how long a TCP connection to some address takes, seen from here.
struct PingRoutes: Sendable {
    let prober: ConnectProber

    var resources: [Resource] {
        [
            Resource(
                path: "/tcping",
                tag: .master,
                access: .key,
                operations: [
                    Operation(
                        method: .get,
                        id: "pingTarget",
                        summary: "Measure a TCP connect to host:port",
                        details: "A target that cannot be reached gets 200, too. At most 10 are measured at once.",
                        parameters: [.target],
                        answers: [
                            .init(status: 200, text: "Reached or not", schema: Schema.reference(PingView.self)),
                            .badRequest,
                        ]
                    ) { request, _ in
                        let target = request.query("target") ?? ""
                        guard !target.isEmpty else { throw APIError.targetRequired }
                        return .json(PingView.object(await prober.measure(target)))
                    }
                ]
            )
        ]
    }
}

extension Operation.QueryField {
    fileprivate static let target = Operation.QueryField(
        name: "target",
        text: "host:port",
        isRequired: true,
        schema: ["type": "string", "minLength": 1, "examples": ["127.0.0.1:80"]]
    )
}

/// Connects to targets, a few at a time.
actor ConnectProber {
    typealias Result = PingView.Source

    /// How often a request that waits for its turn tries again.
    private static let step = Duration.milliseconds(50)
    private let group: any EventLoopGroup
    private var running = 0

    init(group: any EventLoopGroup) {
        self.group = group
    }

    /// Never throws: a target that cannot be reached is an answer.
    func measure(_ target: String) async -> Result {
        let endpoint: Endpoint
        do throws(Endpoint.ParseError) {
            endpoint = try Endpoint(target)
        } catch {
            return Result(target: target, problem: Self.addressProblem(target, error))
        }
        guard await takeTurn() else { return Result(target: target, problem: "too many requests") }
        defer { running -= 1 }
        return await connect(target, endpoint)
    }

    private func takeTurn() async -> Bool {
        let deadline = ContinuousClock.now + APILimits.pingTurn
        while running >= APILimits.pings {
            guard ContinuousClock.now < deadline, (try? await Task.sleep(for: Self.step)) != nil else { return false }
        }
        running += 1
        return true
    }

    private func connect(_ target: String, _ endpoint: Endpoint) async -> Result {
        let host = endpoint.host.isEmpty ? "localhost" : endpoint.host
        let start = ContinuousClock.now
        do {
            let channel = try await ClientBootstrap(group: group)
                .connectTimeout(APILimits.pingTimeout)
                .connect(host: host, port: Int(endpoint.port))
                .get()
            let took = ContinuousClock.now - start
            channel.close(promise: nil)
            return Result(target: target, milliseconds: Int64(took / .milliseconds(1)))
        } catch {
            return Result(target: target, problem: "dial tcp \(target): \(Self.words(for: error))")
        }
    }

    /// Go's words where the port is missing, which is the most common mistake.
    private static func addressProblem(_ target: String, _ error: Endpoint.ParseError) -> String {
        target.contains(":") ? "dial tcp: \(error.problem)" : "dial tcp: address \(target): missing port in address"
    }

    private static func words(for error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            guard let first = error.connectionErrors.first else { return "no such host" }
            return words(for: first.error)
        case let error as IOError:
            return "connect: \(error.problem.lowercased())"
        case ChannelError.connectTimeout:
            return "i/o timeout"
        default:
            return "\(error)"
        }
    }
}
