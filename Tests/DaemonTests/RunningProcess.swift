import Foundation
import NIOCore
import NIOPosix

/// The nodepass binary that this test run built, as a child process; killed if a test forgets it.
final class RunningProcess: Sendable {
    private let process: Process
    private let output: Pipe
    private let exit: EventLoopFuture<Int32>

    static let binary: String = {
        let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }?.bundleURL ?? Bundle.main.bundleURL
        return bundle.deletingLastPathComponent().appendingPathComponent("nodepass").path
    }()

    private init(process: Process, output: Pipe, exit: EventLoopFuture<Int32>) {
        self.process = process
        self.output = output
        self.exit = exit
    }

    deinit {
        if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    }

    static func start(_ arguments: [String], environment: [String: String] = [:]) throws -> RunningProcess {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: binary)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        let exit = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: Int32.self)
        process.terminationHandler = { exit.succeed($0.terminationStatus) }
        // Kept as it comes, so that a full pipe never blocks the child and a failure can show it.
        output.fileHandleForReading.readabilityHandler = { handle in
            let data = handle.availableData
            if data.isEmpty { return handle.readabilityHandler = nil }
            if ProcessInfo.processInfo.environment["NODEPASS_TEST_OUTPUT"] != nil {
                FileHandle.standardError.write(data)
            }
        }
        try process.run()
        return RunningProcess(process: process, output: output, exit: exit.futureResult)
    }

    /// Runs to the end and returns its exit code, standard output and standard error.
    static func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> Finished {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: binary)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        async let text = read(output)
        async let errorText = read(errors)
        let finished = try await (text, errorText)
        process.waitUntilExit()
        return Finished(code: process.terminationStatus, output: finished.0, errors: finished.1)
    }

    struct Finished: Sendable {
        let code: Int32
        let output: String
        let errors: String
    }

    @concurrent
    private static func read(_ pipe: Pipe) async throws -> String {
        String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    }

    var id: Int32 { process.processIdentifier }

    func signal(_ number: Int32) {
        kill(process.processIdentifier, number)
    }

    func whenExited(_ callback: @escaping @Sendable (Int32) -> Void) {
        exit.whenSuccess(callback)
    }

    func exitCode() async throws -> Int32 {
        try await exit.get()
    }
}

/// The socket that systemd would listen on: tells when a daemon says READY=1.
struct NotifySocket: Sendable {
    struct NeverReady: Error {
        let exitCode: Int32
    }

    private enum Message: Sendable {
        case notification(String)
        case exit(Int32)
    }

    private let channel: any Channel
    private let messages: AsyncStream<Message>
    private let continuation: AsyncStream<Message>.Continuation

    static func bind(_ path: String) async throws -> NotifySocket {
        let (messages, continuation) = AsyncStream.makeStream(of: Message.self)
        let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(NotifyHandler { continuation.yield(.notification($0)) })
                }
            }
            .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true)
            .get()
        return NotifySocket(channel: channel, messages: messages, continuation: continuation)
    }

    /// Returns at READY=1; throws when the process ends before it.
    func waitForReady(or process: RunningProcess) async throws {
        process.whenExited { [continuation] code in continuation.yield(.exit(code)) }
        for await message in messages {
            switch message {
            case .exit(let code): throw NeverReady(exitCode: code)
            case .notification(let text) where text.contains("READY=1"): return try await channel.close()
            case .notification: continue
            }
        }
    }
}

private final class NotifyHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let notify: (String) -> Void

    init(_ notify: @escaping (String) -> Void) {
        self.notify = notify
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        notify(String(buffer: Self.unwrapInboundIn(data).data))
    }
}
