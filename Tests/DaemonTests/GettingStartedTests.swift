import TestSupport
import Testing

@Suite("docs/getting-started.md", .timeLimit(.minutes(2)))
struct GettingStartedTests {
    @Test("every command of the page does what the page shows")
    func transcript() async throws {
        let written = try PageBlock.page("docs/getting-started.md")
        let (page, ports) = try PageBlock.withFreePorts(["18080", "18081", "8080"], in: written)
        let blocks = PageBlock.all(in: page)
        let directory = try TemporaryDirectory()
        try directory.write(try #require(blocks.first { $0.language == "yaml" }).text, to: "tunnels.yaml")
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n"
        _ = try await EchoServer.start(.answer(answer), at: ports[0])
        let steps = Transcript(blocks.filter { $0.language == "console" }.map(\.text).joined()).steps
        // What comes before the daemon is started is the check of the manifest alone.
        try await Transcript.replay(steps.prefix(1), in: directory.path)
        let daemon = try await Daemon.start(in: directory)
        try await Transcript.replay(steps.dropFirst(), in: directory.path)
        try await daemon.stop()
    }
}
