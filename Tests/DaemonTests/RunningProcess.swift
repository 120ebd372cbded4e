import Foundation
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

/// The nodepass binary that this test run built, as a child process; killed if a test forgets it.
///
/// Spawned by hand with its output in files: pipes would be inherited by daemons that other tests start meanwhile, and
/// their end then waits for those.
final class RunningProcess: Sendable {
    let id: pid_t
    private let directory: TemporaryDirectory
    /// Whether what it writes is ours, and so has to be in our words.
    private let isOurs: Bool
    private let exit: EventLoopFuture<Int32>
    private let hasExited = Flag()

    private final class Flag: Sendable {
        let value = Atomic<Bool>(false)
    }

    /// Beside the test binary, where the build puts both.
    static let binary = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appendingPathComponent("nodepass").path

    struct Finished: Sendable {
        let code: Int32
        let output: String
        let errors: String
    }

    struct NotStarted: Error {
        let executable: String
        let code: Int32
    }

    /// `output` is a path for its standard output instead of a file that is read at the end; `openFiles` limits how many
    /// files it may have open.
    init(
        _ arguments: [String],
        environment: [String: String] = [:],
        executable: String = binary,
        output: String? = nil,
        openFiles: Int? = nil
    ) throws {
        directory = try TemporaryDirectory()
        isOurs = executable == Self.binary
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
        let paths = (output ?? directory.path + "/output", directory.path + "/errors")
        let pid: pid_t
        if let openFiles {
            // The shell becomes the program: the process is the same, and so is the limit.
            let script = "ulimit -n \(openFiles); exec \"$0\" \"$@\""
            pid = try Self.spawn("/bin/sh", ["-c", script, executable] + arguments, variables, paths)
        } else {
            pid = try Self.spawn(executable, arguments, variables, paths)
        }
        id = pid
        let exit = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: Int32.self)
        self.exit = exit.futureResult
        Thread.detachNewThread { [hasExited] in
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
            hasExited.value.store(true, ordering: .releasing)
            // The low seven bits are the signal that ended it, the next byte its own exit code.
            exit.succeed(status & 0x7f == 0 ? (status >> 8) & 0xff : status & 0x7f)
        }
    }

    deinit {
        if !hasExited.value.load(ordering: .acquiring) { kill(id, SIGKILL) }
    }

    private static func spawn(
        _ executable: String,
        _ arguments: [String],
        _ variables: [String],
        _ paths: (output: String, errors: String)
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, paths.output, O_WRONLY | O_CREAT, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, paths.errors, O_WRONLY | O_CREAT, 0o600)
        try closeOthers(&actions, executable)
        var argv = ([executable] + arguments).map { strdup($0) } + [nil]
        var envp = variables.map { strdup($0) } + [nil]
        defer { for text in argv + envp { free(text) } }
        var pid = pid_t()
        let code = posix_spawn(&pid, executable, &actions, nil, &argv, &envp)
        guard code == 0 else { throw NotStarted(executable: executable, code: code) }
        return pid
    }

    /// The child gets no other descriptor of ours: a listener that it inherited would stay open after we close it.
    ///
    /// glibc (2.34 and later) has the call, Swift's view of its headers does not.
    private static func closeOthers(_ actions: inout posix_spawn_file_actions_t, _ executable: String) throws {
        typealias CloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
        guard let symbol = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") else {
            throw NotStarted(executable: executable, code: ENOSYS)
        }
        _ = unsafeBitCast(symbol, to: CloseFrom.self)(&actions, 3)
    }

    /// Runs to the end and returns its exit code, standard output and standard error.
    static func run(
        _ arguments: [String],
        environment: [String: String] = [:],
        executable: String = binary
    ) async throws -> Finished {
        let process = try RunningProcess(arguments, environment: environment, executable: executable)
        let code = try await process.exitCode()
        return Finished(code: code, output: try process.text("output"), errors: try process.errors)
    }

    /// What it has written to standard output so far.
    var output: String {
        get throws { try text("output") }
    }

    /// What it has written to standard error so far.
    var errors: String {
        get throws { try text("errors") }
    }

    private func text(_ name: String) throws -> String {
        try String(contentsOfFile: directory.path + "/" + name, encoding: .utf8)
    }

    func signal(_ number: Int32) {
        kill(id, number)
    }

    func whenExited(_ callback: @escaping @Sendable (Int32) -> Void) {
        exit.whenSuccess(callback)
    }

    /// Waits for its end; what it has written then is searched for words of libraries.
    func exitCode() async throws -> Int32 {
        let code = try await exit.get()
        for text in [try? output, try? errors] where isOurs {
            let foreign = ForeignWords.found(in: text ?? "")
            #expect(foreign.isEmpty, "a library's words are in: \(text ?? "")")
        }
        return code
    }
}
