import Config
import HTTPTypes
import Reconciler
import Synchronization
import Testing

@Suite("A request is read once", .timeLimit(.minutes(1)))
struct RequestReadingTests {
    /// Counts; everything that a URL passes afterwards takes a `CheckedTunnel`, which only a reader can make.
    private final class Readings: Sendable {
        private let count = Mutex(0)
        var taken: Int {
            count.withLock { count in
                defer { count = 0 }
                return count
            }
        }

        func read(_ url: String) throws(TunnelURLError) -> CheckedTunnel {
            count.withLock { $0 += 1 }
            return try CheckedTunnel(url: url)
        }
    }

    @Test("POST and PUT read their URL once, and a spec never becomes a URL that is read")
    func once() async throws {
        let readings = Readings()
        try await TestDaemon.run(
            readURL: { (url: String) throws(TunnelURLError) in try readings.read(url) },
            { daemon in
                let id = try await daemon.create(clientURL(4700))
                #expect(readings.taken == 1)
                let path = "/api/v1/instances/\(id)"
                #expect(try await daemon.send(.put, path, #"{"url":"\#(clientURL(4701))"}"#).status == 200)
                #expect(readings.taken == 1)
                let keys = #"{"role":"client","mode":"single","tunnel":"127.0.0.1:4702","target":"127.0.0.1:9"}"#
                let created = try await daemon.send(.post, "/api/v1/instances", #"{"spec":\#(keys)}"#)
                #expect(created.status == 201 && readings.taken == 0)
                #expect(try created.json["url"]?.stringValue == clientURL(4702))
            }
        )
    }

    @Test("a spec inherits from the master what its URL does not say, as a URL does")
    func inherited() async throws {
        try await TestDaemon.run(defaults: .init(log: .debug, tls: 1)) { daemon in
            let keys = #"{"role":"server","mode":"forward","tunnel":"127.0.0.1:4703","target":"127.0.0.1:9"}"#
            let created = try await daemon.send(.post, "/api/v1/instances", #"{"spec":\#(keys)}"#)
            let url = try created.json["url"]?.stringValue
            #expect(url == "server://127.0.0.1:4703/127.0.0.1:9?mode=2&log=debug&tls=1")
            let instance = try #require(await daemon.reconciler.instances().first)
            #expect(instance.spec == (try CheckedTunnel(url: instance.url).spec))
        }
    }
}
