import Foundation
import NIOCore
import NIOPosix
import TestSupport

/// The nodepass binary as a child process whose standard output is read line by line, as it comes.
struct FollowedProcess {
    let process: RunningProcess
    /// Everything read so far.
    private(set) var seen: [String] = []
    private var lines: AsyncStream<String>.Iterator

    struct NoPipe: Error {
        let code: Int32
    }

    static func start(
        _ arguments: [String],
        environment: [String: String] = [:],
        executable: String = RunningProcess.binary
    ) async throws -> FollowedProcess {
        let directory = try TemporaryDirectory()
        let path = directory.file("pipe")
        // The child opens it by its name, so that nobody inherits an end of it.
        guard mkfifo(path, 0o600) == 0 else { throw NoPipe(code: errno) }
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw NoPipe(code: errno) }
        let process = try RunningProcess(arguments, environment: environment, executable: executable, output: path)
        let (lines, continuation) = AsyncStream.makeStream(of: String.self)
        _ = try await NIOPipeBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(LineHandler(continuation))
                }
            }
            .takingOwnershipOfDescriptor(input: descriptor)
            .get()
        return FollowedProcess(process: process, lines: lines.makeAsyncIterator())
    }

    private init(process: RunningProcess, lines: AsyncStream<String>.Iterator) {
        self.process = process
        self.lines = lines
    }

    /// Reads on to the first line that holds `text`; nil when the process ends without one.
    mutating func line(with text: Regex<Substring>) async -> String? {
        while let line = await next() {
            if line.contains(text) { return line }
        }
        return nil
    }

    /// Reads to the end, which comes with the process's, and returns its exit code.
    mutating func end() async throws -> Int32 {
        while await next() != nil {}
        return try await process.exitCode()
    }

    private mutating func next() async -> String? {
        guard let line = await lines.next(isolation: #isolation) else { return nil }
        seen.append(line)
        return line
    }
}

private final class LineHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let lines: AsyncStream<String>.Continuation
    private var rest = ""

    init(_ lines: AsyncStream<String>.Continuation) {
        self.lines = lines
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        rest += String(buffer: Self.unwrapInboundIn(data))
        while let end = rest.firstIndex(of: "\n") {
            lines.yield(String(rest[..<end]))
            rest = String(rest[rest.index(after: end)...])
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        lines.finish()
    }
}
