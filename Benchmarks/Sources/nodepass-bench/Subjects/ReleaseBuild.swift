import Foundation

/// Builds the nodepass of this repository, when none is named.
enum ReleaseBuild {
    /// The repository that this package is a folder of.
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    /// The path of the program, which takes about 15 minutes the first time.
    static func path(scratch: String?, in directory: TemporaryDirectory) throws -> String {
        var arguments = ["build", "-c", "release", "--product", "nodepass", "--package-path", root]
        if let scratch { arguments += ["--scratch-path", scratch] }
        Console.note("building nodepass for release, which takes about 15 minutes the first time")
        Console.note("swift " + arguments.joined(separator: " "))
        let build = try ChildProcess("swift", arguments, in: directory)
        guard build.succeeds() else { throw BenchmarkFailure("the build failed: " + (build.lastLine ?? "")) }
        let place = try ChildProcess("swift", arguments + ["--show-bin-path"], in: directory)
        guard place.succeeds(), let bin = place.lastLine else {
            throw BenchmarkFailure("swift does not say where it built nodepass")
        }
        return bin + "/nodepass"
    }
}
