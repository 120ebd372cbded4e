import Foundation
import TestSupport
import Testing

/// The real nginx on a configuration of a test, where it is installed.
struct Nginx {
    static let program = path(ofServer: "nginx")

    /// Where a server is installed that may not be on everyone's path.
    static func path(ofServer name: String) -> String? {
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return (["/usr/sbin", "/usr/local/sbin"] + path).map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    private let arguments: [String]
    /// Kept for as long as it runs.
    private let directory: TemporaryDirectory

    /// Returns when it listens: it leaves its caller after it has bound its ports.
    static func start(_ configuration: String, in directory: TemporaryDirectory) async throws -> Nginx {
        let text = configuration.replacing("http {", with: "http {\naccess_log off;\n" + temporaryPaths(directory.path))
        let path = try directory.write(
            "master_process off;\npid \(directory.path)/nginx.pid;\n" + text,
            to: "nginx.conf"
        )
        let arguments = ["-c", path, "-e", directory.file("nginx.log"), "-p", directory.path]
        let nginx = Nginx(arguments: arguments, directory: directory)
        let finished = try await nginx.run([])
        try #require(finished.code == 0, "\(finished.errors)")
        return nginx
    }

    /// Ends it by force: it inherits the signals that the tests block, and would not hear another one.
    func stop() throws {
        let text = try String(contentsOfFile: directory.file("nginx.pid"), encoding: .utf8)
        let id = try #require(pid_t(text.filter(\.isNumber)))
        #expect(kill(id, SIGKILL) == 0)
    }

    private func run(_ more: [String]) async throws -> RunningProcess.Finished {
        try await RunningProcess.run(arguments + more, executable: try #require(Self.program))
    }

    /// Where it may write without being root.
    private static func temporaryPaths(_ directory: String) -> String {
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(directory)/\($0);\n" }.joined()
    }
}
