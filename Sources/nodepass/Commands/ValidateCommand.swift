import ArgumentParser
import Config
import FoundationEssentials

/// `nodepass validate`: the daemon's own checks, without a daemon.
struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Check manifests without a daemon; exits 1 when one has an error."
    )

    @Argument(help: "Files, or directories of *.yaml and *.yml; - is standard input.")
    var files: [String]

    @Option(help: "Format: text, json, github, sarif or junit.")
    var format = DiagnosticFormat.text

    @Flag(help: "Do not look up references: variables and files that are set only on the daemon's machine.")
    var allowUnset = false

    @Flag(help: "Read the certificates and keys that the tunnels name, and check their dates.")
    var checkFiles = false

    func validate() throws {
        if files.contains("-"), files.count > 1 { throw ValidationError("- is standard input, and stands alone") }
    }

    func run() throws {
        let reader = ManifestReader(
            environment: ProcessInfo.processInfo.environment,
            workingDirectory: FileManager.default.currentDirectoryPath
        )
        let input = files == ["-"] ? try StandardInput.text() : nil
        let reading =
            if let input {
                reader.read(text: input, file: "<stdin>", keepsReferences: allowUnset)
            } else {
                reader.read(paths: files, keepsReferences: allowUnset)
            }
        var diagnostics = reading.diagnostics
        if checkFiles { diagnostics += CertificateCheck.diagnostics(of: reading.manifest, now: Date()) }
        if format == .text {
            let excerpts = SourceExcerpt(input: input)
            for diagnostic in diagnostics { Output.line(excerpts.text(diagnostic)) }
        } else {
            let report = DiagnosticFormat.render(diagnostics, of: input == nil ? files : ["<stdin>"], as: format)
            if !report.isEmpty { Output.raw(report.hasSuffix("\n") ? report : report + "\n") }
        }
        guard !diagnostics.contains(where: { $0.severity == .error }) else { throw ExitCode(1) }
        if format == .text {
            let place = input == nil ? files.joined(separator: ", ") : "standard input"
            Output.line(PlainText.line("ok: \(reading.manifest?.tunnels.count ?? 0) tunnels in \(place)"))
        }
    }
}

extension DiagnosticFormat: ExpressibleByArgument {}
