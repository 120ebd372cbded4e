import Config
import NIOCore
import Tunnel

/// Connects to targets, a few at a time.
actor ConnectProber {
    typealias Result = PingView.Source

    /// How often a request that waits for its turn tries again.
    private static let step = Duration.milliseconds(50)
    private let probe: TargetProbe
    private var running = 0

    init(probe: TargetProbe) {
        self.probe = probe
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
        let start = ContinuousClock.now
        do {
            try await probe.reach(endpoint, within: APILimits.pingTimeout)
            let took = ContinuousClock.now - start
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
        case let error as TunnelError where error.reason == .nameNotResolved:
            return "no such host"
        case let error as IOError:
            return "connect: \(error.problem.lowercased())"
        case ChannelError.connectTimeout:
            return "i/o timeout"
        default:
            return ErrorText.words(for: error)
        }
    }
}
