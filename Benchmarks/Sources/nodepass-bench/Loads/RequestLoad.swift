import Foundation

/// Requests to an API from `wrk`, on connections that stay open, each as soon as the one before is answered.
struct RequestLoad {
    enum Question: CaseIterable {
        case list
        case one
        /// Gives each tunnel in turn another alias, which the subject has to remember.
        case patch

        var title: String {
            switch self {
            case .list: "GET all"
            case .one: "GET one"
            case .patch: "PATCH alias"
            }
        }
    }

    struct Outcome {
        let perSecond: Double
        let p50: Double
        let p99: Double
        let failures: Int
        let cpuMillisecondsEach: Double

        var values: [(Metric, Double)] {
            [
                (.requestsPerSecond, perSecond),
                (.requestP50, p50),
                (.requestP99, p99),
                (.requestFailures, Double(failures)),
                (.cpuPerRequest, cpuMillisecondsEach),
            ]
        }
    }

    private static let connections = 8
    private static let word = "measured"

    let wrk: String
    let seconds: Double

    func run(_ question: Question, to server: APIServer, in directory: TemporaryDirectory) throws -> Outcome {
        let script = try directory.write(Self.script(question, to: server), to: "requests.lua")
        // It knows whole seconds alone, and one thread is enough for any subject on the same machine.
        let length = Int(seconds.rounded(.up))
        let arguments = ["-t1", "-c\(Self.connections)", "-d\(length)s", "--latency", "-s", script, server.url]
        let cpuBefore = server.cpuSeconds
        let process = try ChildProcess(wrk, arguments, in: directory)
        guard process.succeeds(), let line = process.lastLine, line.hasPrefix(Self.word) else {
            throw BenchmarkFailure("wrk: \(process.lastLine ?? "no answer")")
        }
        let cpu = server.cpuSeconds - cpuBefore
        let numbers = line.split(separator: " ").compactMap { Double($0) }
        guard numbers.count == 5, numbers[0] > 0, numbers[1] > 0 else {
            throw BenchmarkFailure("no request was answered")
        }
        return Outcome(
            perSecond: numbers[0] / numbers[1] * 1e6,
            p50: numbers[3],
            p99: numbers[4],
            failures: Int(numbers[2]),
            cpuMillisecondsEach: cpu * 1e3 / numbers[0]
        )
    }

    private static func script(_ question: Question, to server: APIServer) -> String {
        let credential = server.key.isEmpty ? "" : "wrk.headers[\"X-API-Key\"] = \"\(server.key)\"\n"
        return credential + requests(question, to: server) + """
            function done(summary, latency, requests)
                local e = summary.errors
                local failures = e.connect + e.read + e.write + e.status + e.timeout
                print(string.format("\(word) %d %d %d %d %d", summary.requests, summary.duration, failures,
                    latency:percentile(50), latency:percentile(99)))
            end

            """
    }

    private static func requests(_ question: Question, to server: APIServer) -> String {
        switch question {
        case .list: return "wrk.path = \"\(APIServer.listPath)\"\n"
        case .one: return "wrk.path = \"\(server.path(of: 0))\"\n"
        case .patch:
            // What an earlier round has written would be no change.
            let round = UInt32.random(in: 0 ... .max)
            let paths = server.ids.indices.map { "\"\(server.path(of: $0))\"" }.joined(separator: ", ")
            return """
                wrk.headers["Content-Type"] = "application/json"
                local paths = { \(paths) }
                local count = 0
                function request()
                    count = count + 1
                    local body = string.format('{"alias":"a\(round)-%d"}', count)
                    return wrk.format("PATCH", paths[count % #paths + 1], nil, body)
                end

                """
        }
    }
}
