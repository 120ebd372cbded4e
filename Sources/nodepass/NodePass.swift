import API
import ArgumentParser
import Config
import Glibc

/// The program: NodePass's command line (one URL) first, then our own subcommands.
///
/// Map of the target: `Commands/` one file per subcommand, `DropIn` what a URL on the command line means, `Daemon` puts
/// the modules together, `Foreground` runs a single tunnel, `ControlClient` talks to a running daemon.
@main
enum NodePass {
    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        exit(await run(Array(CommandLine.arguments.dropFirst())))
    }

    /// Returns the exit code.
    static func run(_ arguments: [String]) async -> Int32 {
        guard let first = arguments.first else {
            Output.line(Usage.text)
            return 1
        }
        if arguments.count == 1, first.contains("://") {
            return await DropIn.run(first)
        }
        return await runCommand(arguments)
    }

    private static func runCommand(_ arguments: [String]) async -> Int32 {
        do {
            var command = try RootCommand.parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return 0
        } catch let code as ExitCode {
            return code.rawValue
        } catch let failure as CommandFailure {
            Output.error("Error: \(failure.message)")
            return 1
        } catch {
            let text = RootCommand.fullMessage(for: error)
            guard RootCommand.exitCode(for: error) != .success else {
                Output.line(text)
                return 0
            }
            Output.error(text)
            return 1
        }
    }
}

struct RootCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nodepass",
        abstract: "A declarative tunnel manager that speaks NodePass.",
        version: "nodepass v\(Version.api) (\(Version.implementation) \(Version.build))",
        subcommands: [
            RunCommand.self, ValidateCommand.self, PlanCommand.self, ApplyCommand.self, GetCommand.self,
            DescribeCommand.self, StartCommand.self, StopCommand.self, RestartCommand.self, ResetCommand.self,
            CreateCommand.self, DeleteCommand.self, ReleaseCommand.self, ExportCommand.self, PingCommand.self,
            LogsCommand.self, WatchCommand.self, KeyCommand.self, ImportCommand.self, SchemaCommand.self,
        ]
    )
}

/// Why a command could not do its work: what, where, and what to try.
struct CommandFailure: Error {
    let message: String
}
