import Foundation
import Synchronization

/// Changes at a fixed rate, and very many who follow them, one of whom does not read.
struct EventLoad {
    /// Where changes are made, and followed.
    struct API {
        static let path = "/api/v1"

        let address: Address
        let key: String
        let tunnels: Int
    }

    struct Outcome {
        let patchesPerSecond: Double
        let patchP99: Double
        let failures: Int
        let eventsPerSecond: Double
        let p50: Double
        let p99: Double
        let max: Double
        let inTimePercent: Double
        let missing: Int
        let cut: Int
        let peakMegabytes: Double
        let cpuSeconds: Double
        let cpuMicrosecondsEach: Double
        let generatorSeconds: Double

        var values: [(Metric, Double)] {
            [
                (.patchesPerSecond, patchesPerSecond),
                (.patchP99, patchP99),
                (.requestFailures, Double(failures)),
                (.eventsPerSecond, eventsPerSecond),
                (.eventP50, p50),
                (.eventP99, p99),
                (.eventMax, max),
                (.eventsInTime, inTimePercent),
                (.eventsMissing, Double(missing)),
                (.subscribersCut, Double(cut)),
                (.residentMegabytes, peakMegabytes),
                (.cpuSeconds, cpuSeconds),
                (.cpuPerEvent, cpuMicrosecondsEach),
                (.generatorCPU, generatorSeconds),
            ]
        }
    }

    /// What a daemon takes.
    static let subscriberLimit = 1000
    static let rateLimit = 100_000

    private static let readers = 2
    private static let timelySeconds = 0.1
    private static let sampleSeconds = 0.05
    /// What has not come this long after the event before it is missing.
    private static let quietSeconds = 3.0
    private static let descriptorsBeside = 200

    let subscribers: Int
    let rate: Int
    let seconds: Double

    /// Opens the streams, each read until it has had an event of every tunnel; the first is then read no more.
    func subscribe(to api: API) throws -> [Socket] {
        try OpenFiles.allow(subscribers + Self.descriptorsBeside)
        var sockets: [Socket] = []
        do {
            for _ in 0..<subscribers { sockets.append(try EventStream.open(api, isNarrow: sockets.isEmpty)) }
        } catch {
            sockets.forEach { $0.close() }
            throw BenchmarkFailure("subscriber \(sockets.count + 1): \(error)")
        }
        return sockets
    }

    /// Makes changes for a while, and waits for what they cause.
    func run(on api: API, _ subscribers: [Socket], watching process: ProcessReadings) throws -> Outcome {
        let reading = Array(subscribers.dropFirst())
        let limit = Int((Double(rate) * seconds).rounded(.up))
        let shares = (0..<Self.readers).map { share in
            reading.enumerated().filter { $0.offset % Self.readers == share }.map(\.element)
        }
        let paths = try InstancePaths.all(api)
        let cpuBefore = process.cpuSeconds
        let ownBefore = ProcessReadings.own.cpuSeconds
        let readers = shares.map { EventReader($0, limit: limit) }
        let begin = Seconds.now
        let changes = ChangeLoad(api: api, paths: paths, rate: rate, count: limit, begin: begin, end: begin + seconds)
        var peak = 0
        var last = (arrived: 0, time: begin)
        while true {
            Seconds.sleep(Self.sampleSeconds)
            peak = max(peak, process.residentBytes)
            let arrived = readers.reduce(0) { $0 + $1.arrived.load(ordering: .relaxed) }
            let now = Seconds.now
            if arrived > last.arrived { last = (arrived, now) }
            guard changes.isDone else { continue }
            if arrived >= changes.made * reading.count || now > last.time + Self.quietSeconds { break }
        }
        let own = ProcessReadings.own.cpuSeconds - ownBefore
        let cpu = process.cpuSeconds - cpuBefore
        var tally = changes.result()
        var latencies = Latencies(reserving: 0)
        var cut = 0
        for reader in readers {
            let tally = reader.stop()
            latencies.add(tally.latencies)
            cut += tally.cut
        }
        guard latencies.count > 0 else { throw BenchmarkFailure("no event arrived") }
        return Outcome(
            patchesPerSecond: Double(tally.made) / changes.elapsed,
            patchP99: tally.latencies.microseconds(at: 0.99) / 1e3,
            failures: tally.failures,
            eventsPerSecond: Double(latencies.count) / (last.time - begin),
            p50: latencies.microseconds(at: 0.5) / 1e3,
            p99: latencies.microseconds(at: 0.99) / 1e3,
            max: latencies.microseconds(at: 1) / 1e3,
            inTimePercent: latencies.share(within: Self.timelySeconds) * 100,
            missing: tally.made * reading.count - latencies.count,
            cut: cut,
            peakMegabytes: Double(peak) / 1e6,
            cpuSeconds: cpu,
            cpuMicrosecondsEach: cpu * 1e6 / Double(latencies.count),
            generatorSeconds: own
        )
    }
}

/// One subscriber's stream.
private enum EventStream {
    private static let pieceBytes = 64 << 10
    private static let initial = Data("{\"type\":\"initial\"".utf8)
    private static let limitBytes = 16 << 20
    private static let timeoutSeconds = 30

    /// Returns when there was an event of every tunnel, and of the key's row.
    static func open(_ api: EventLoad.API, isNarrow: Bool) throws -> Socket {
        let socket = try Socket.connection(to: api.address, timeout: timeoutSeconds, isNarrow: isNarrow)
        let question = "GET \(EventLoad.API.path)/events HTTP/1.1\r\nHost: localhost\r\nX-API-Key: \(api.key)\r\n\r\n"
        var stream = Data()
        var piece = [UInt8](repeating: 0, count: pieceBytes)
        guard Array(question.utf8).withUnsafeBytes({ socket.send($0) }) else {
            socket.close()
            throw BenchmarkFailure("not asked")
        }
        var found = 0
        var searched = stream.startIndex
        while found <= api.tunnels {
            let count = recv(socket.descriptor, &piece, piece.count, 0)
            guard count > 0, stream.count < limitBytes else {
                socket.close()
                throw BenchmarkFailure("\(found) of \(api.tunnels + 1) rows, then an end")
            }
            stream += piece.prefix(count)
            while let place = stream[searched...].firstRange(of: initial) {
                found += 1
                searched = place.upperBound
            }
        }
        return socket
    }
}

/// Where the tunnels are that are to be changed.
private enum InstancePaths {
    static func all(_ api: EventLoad.API) throws -> [String] {
        let path = EventLoad.API.path + "/instances"
        let answer = HTTPQuestion(address: api.address, path: path, key: api.key).answer()
        guard let answer, answer.status == 200,
            let rows = try JSONSerialization.jsonObject(with: answer.body) as? [[String: Any]]
        else { throw BenchmarkFailure("\(path) is not answered") }
        return rows.compactMap { $0["id"] as? String }.filter { !$0.hasPrefix("*") }.map { "\(path)/\($0)" }
    }
}
