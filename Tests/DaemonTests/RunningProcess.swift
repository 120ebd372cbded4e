import Foundation
import NIOCore
import NIOPosix

/// The nodepass binary that this test run built, as a child process; killed if a test forgets it.
final class RunningProcess: Sendable {
    private let process: Process
    private let output: Pipe
    private let exit: EventLoopFuture<Int32>

    /// Beside the test binary, where the build puts both.
    static let binary = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appendingPathComponent("nodepass").path

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
        do {
            try process.run()
        } catch {
            exit.fail(error)
            throw error
        }
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
