import ArgumentParser
import Config
import FoundationEssentials
import Reconciler

/// `nodepass import`: takes over what a NodePass master has kept, while no daemon runs on the state directory.
struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Take over the instances and the API key of a NodePass master.",
        discussion: """
            FILE is the master's gob/nodepass.gob. Stop both programs first. Everything is imported or nothing: an \
            instance that is here already and differs stops the import; one whose URL does not read is left out.
            """
    )

    @Argument(help: "The master's state file, gob/nodepass.gob beside its executable.")
    var file: String

    @Option(help: "Where state.db is kept ($NODEPASS_STATE_DIR).")
    var stateDir: String?

    @Flag(help: "Say what would be imported, and change nothing.")
    var dryRun = false

    func run() throws {
        let directory = DaemonOptions.stateDirectory(stateDir, environment: ProcessInfo.processInfo.environment)
        let state = try read()
        do {
            // Looking must not create what is not there.
            let store = dryRun && !StateStore.exists(in: directory) ? nil : try StateStore.open(directory: directory)
            let existing = try store?.instances() ?? StoredInstances()
            let imported = try StateImport(state, into: existing, now: Date())
            if !dryRun { try store?.save(imported) }
            report(imported, directory)
        } catch let error as StateImportError {
            throw CommandFailure(message: "nothing was imported from \(file): \(error)".printable)
        } catch let error as StateStoreError {
            throw CommandFailure(message: "nothing was imported: \(error)")
        }
    }

    private func read() throws(CommandFailure) -> NodePassState {
        let bytes: [UInt8]
        do throws(TextFile.ReadError) {
            bytes = try TextFile.bytes(of: file, limitBytes: NodePassState.fileLimitBytes)
        } catch {
            throw CommandFailure(message: "\(file) can not be read: \(error.problem)")
        }
        do throws(StateImportError) {
            return try NodePassState(bytes: bytes)
        } catch {
            throw CommandFailure(message: "nothing was imported from \(file): \(error)".printable)
        }
    }

    private func report(_ imported: StateImport, _ directory: String) {
        for line in imported.lines {
            var parts = [line.outcome.word, line.id, line.url]
            var warnings = line.notes
            if case .leftOut(let why) = line.outcome {
                warnings.append("left out: " + why)
            } else {
                parts.append(line.startsWithDaemon ? "starts" : "stays stopped")
            }
            if !line.alias.isEmpty { parts.append(line.alias) }
            Output.line(parts.joined(separator: "  ").printable)
            for warning in warnings { Output.error("Warning: \(line.id): \(warning)".printable) }
        }
        if let note = imported.identityNote { Output.error("Warning: \(note); the daemon uses its own") }
        func count(_ word: String) -> Int { imported.lines.count { $0.outcome.word == word } }
        let numbers = "\(count("imported")) imported, \(count("present")) here already, \(count("left out")) left out"
        let key = imported.identity == nil ? "" : "; the API key is taken over"
        Output.line(dryRun ? "Dry run, nothing was changed: \(numbers)\(key)." : "\(directory): \(numbers)\(key).")
    }
}

extension StateImport.Outcome {
    fileprivate var word: String {
        switch self {
        case .imported: "imported"
        case .present: "present"
        case .leftOut: "left out"
        }
    }
}

extension String {
    /// Without what would steer a terminal: the file's texts are somebody else's.
    fileprivate var printable: String {
        String(String.UnicodeScalarView(unicodeScalars.filter { $0.properties.generalCategory != .control }))
    }
}
