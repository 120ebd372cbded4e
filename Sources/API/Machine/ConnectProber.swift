import Config
import NIOCore
import NIOPosix
import Tunnel

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
