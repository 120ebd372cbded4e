import ArgumentParser
import Config
import FoundationEssentials
import Reconciler

/// `nodepass import`: reads the state of a NodePass master; no daemon may run on the state
/// directory meanwhile.
struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Import the instances and the API key of a NodePass master.",
        discussion: """
            FILE is the master's gob/nodepass.gob. Stop the master and the daemon first. Everything is imported or \
            nothing: an instance that exists already and differs stops the import. An instance whose URL cannot be \
            read is skipped and reported.
            """
    )

    @Argument(help: "The master's state file, gob/nodepass.gob beside its executable.")
    var file: String

    @Option(help: "Where state.db is ($NODEPASS_STATE_DIR).")
    var stateDir: String?

    @Flag(help: "Show what would be imported, and change nothing.")
    var dryRun = false

    func run() throws {
        let directory = DaemonOptions.stateDirectory(stateDir, environment: ProcessInfo.processInfo.environment)
        let state = try read()
        do {
            // A dry run must not create a database.
            let store = dryRun && !StateStore.exists(in: directory) ? nil : try StateStore.open(directory: directory)
            let existing = try store?.instances() ?? StoredInstances()
            let imported = try StateImport(state, into: existing, now: Date())
            if !dryRun { try store?.save(imported) }
            report(imported, directory)
        } catch let error as StateImportError {
            throw CommandFailure(message: PlainText.line("nothing was imported from \(file): \(error)"))
        } catch let error as StateStoreError {
            throw CommandFailure(message: "nothing was imported: \(error)")
        }
    }

    private func read() throws(CommandFailure) -> ImportedState {
        let bytes: [UInt8]
        do throws(TextFile.ReadError) {
            bytes = try TextFile.bytes(of: file, limitBytes: NodePassStateFile.limitBytes)
        } catch {
            throw CommandFailure(message: "\(file) cannot be read: \(error.problem)")
        }
        do throws(NodePassStateError) {
            return try NodePassStateFile.read(bytes)
        } catch {
            throw CommandFailure(message: PlainText.line("nothing was imported from \(file): \(error)"))
        }
    }

    private func report(_ imported: StateImport, _ directory: String) {
        for line in imported.lines {
            var parts = [line.outcome.word, line.id, line.url]
            var warnings = line.notes
            if case .skipped(let why) = line.outcome {
                warnings.append("skipped: " + why)
            } else {
                parts.append(line.startsWithDaemon ? "starts" : "stays stopped")
            }
            if !line.alias.isEmpty { parts.append(line.alias) }
            Output.line(PlainText.line(parts.joined(separator: "  ")))
            for warning in warnings { Output.error(PlainText.line("Warning: \(line.id): \(warning)")) }
        }
        if let note = imported.identityNote { Output.error("Warning: \(note); the daemon uses its own") }
        func count(_ word: String) -> Int { imported.lines.count { $0.outcome.word == word } }
        let numbers = "\(count("imported")) imported, \(count("present")) present already, \(count("skipped")) skipped"
        let key = imported.identity == nil ? "" : "; the API key is imported"
        Output.line(dryRun ? "Dry run, nothing changed: \(numbers)\(key)." : "\(directory): \(numbers)\(key).")
    }
}

extension StateImport.Outcome {
    fileprivate var word: String {
        switch self {
        case .imported: "imported"
        case .present: "present"
        case .skipped: "skipped"
        }
    }
}
