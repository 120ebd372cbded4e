import ArgumentParser
import Config
import FoundationEssentials

/// `nodepass validate`: the daemon's own checks, without a daemon.
struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Check manifests without a daemon; exits 1 when one has an error."
    )

    @Argument(help: "Files, or directories of *.yaml and *.yml.")
    var files: [String]

    @Option(help: "Format: text, json, github or sarif.")
    var format = DiagnosticFormat.text

    func run() throws {
        let reader = ManifestReader(
            environment: ProcessInfo.processInfo.environment,
            workingDirectory: FileManager.default.currentDirectoryPath
        )
        let reading = reader.read(paths: files)
        let report = DiagnosticFormat.render(reading.diagnostics, as: format)
        if !report.isEmpty { Output.raw(report.hasSuffix("\n") ? report : report + "\n") }
        guard !reading.hasErrors else { throw ExitCode(1) }
        if format == .text {
            Output.line("ok: \(reading.manifest?.tunnels.count ?? 0) tunnels in \(files.joined(separator: ", "))")
        }
    }
}

extension DiagnosticFormat: ExpressibleByArgument {}
