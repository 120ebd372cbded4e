import Testing

@testable import nodepass

@Suite("How long a stop may take")
struct ShutdownLimitTests {
    @Test("an option is taken as it is, a container gets 8 s, and else it is the longest drain")
    func limits() {
        func limit(_ given: Int?, _ drain: Int, _ isContained: Bool) -> Duration {
            ShutdownLimit(
                given: given.map { .seconds($0) },
                longestDrain: .seconds(drain),
                isContained: isContained
            ).duration
        }
        #expect(limit(nil, 30, false) == .seconds(30))
        #expect(limit(nil, 30, true) == .seconds(8))
        #expect(limit(nil, 2, true) == .seconds(2))
        #expect(limit(nil, 600, false) == .seconds(90))
        #expect(limit(20, 30, true) == .seconds(20))
        #expect(limit(0, 30, false) == .zero)
        for (given, isContained) in [(nil, true), (nil, false), (20, true)] {
            let bound = ShutdownLimit.upperBound(given: given.map { .seconds($0) }, isContained: isContained)
            #expect(limit(given, 600, isContained) <= bound)
        }
    }

    @Test("a tunnel in the foreground has its drain, or the limit, and the reason says which")
    func foreground() {
        func limit(_ drain: Int, _ given: Int?) -> ShutdownLimit {
            ShutdownLimit(drain: .seconds(drain), given: given.map { .seconds($0) }, otherwise: .seconds(5))
        }
        #expect(limit(30, nil).duration == .seconds(5) && limit(30, nil).reason.contains("--shutdown-timeout"))
        #expect(limit(2, nil).duration == .seconds(2) && limit(2, nil).reason == "the tunnel's drain")
        #expect(limit(30, 8).duration == .seconds(8) && limit(30, 8).reason == "--shutdown-timeout")
        #expect(limit(2, 8).duration == .seconds(2) && limit(2, 8).reason == "the tunnel's drain")
    }

    @Test("process 1, and what containers are known by, count as a container")
    func containers() {
        func isContained(_ environment: [String: String] = [:], id: Int32 = 7, file: String = "") -> Bool {
            ShutdownLimit.isContained(environment: environment, processID: id) { $0 == file }
        }
        #expect(!isContained())
        #expect(!isContained(["container": ""]))
        #expect(isContained(id: 1))
        #expect(isContained(["container": "podman"]))
        #expect(isContained(["KUBERNETES_SERVICE_HOST": "10.0.0.1"]))
        #expect(isContained(file: "/.dockerenv") && isContained(file: "/run/.containerenv"))
    }
}
