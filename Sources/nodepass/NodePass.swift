import API
import ArgumentParser
import Config
import Glibc

/// The program: a subcommand, or one URL as NodePass takes it.
///
/// `Commands/` has a file for each subcommand and each kind of URL, `Daemon/` puts the modules
/// together and runs them, `Client/` talks to a running daemon, `Text/` is what people read.
@main
enum NodePass {
    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        exit(await run(Array(CommandLine.arguments.dropFirst())))
    }

    /// Returns the exit code.
    static func run(_ given: [String]) async -> Int32 {
        guard !given.isEmpty else {
            Output.line(UsageText.text)
            return 1
        }
        let arguments = LeadingOptions.behindCommand(given)
        let root = rootCommand(for: arguments)
        do {
            if root == RootCommand.self { try UnknownCommand.check(arguments) }
            var command = try root.parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return 0
        } catch {
            return report(error, of: root, arguments)
        }
    }

    /// A URL comes first, or after options.
    private static func rootCommand(for arguments: [String]) -> any ParsableCommand.Type {
        let isURL = arguments.first?.contains("://") == true
        let url = isURL ? arguments.first : arguments.first(where: isTunnelURL)
        guard let url, isURL || arguments.first?.hasPrefix("-") == true else { return RootCommand.self }
        return url.hasPrefix("master://") ? MasterCommand.self : ForegroundCommand.self
    }

    private static func isTunnelURL(_ text: String) -> Bool {
        ["master://", "server://", "client://"].contains { text.hasPrefix($0) }
    }

    /// Prints what went wrong, or the help that was asked for, and returns the exit code.
    private static func report(
        _ error: any Error,
        of root: any ParsableCommand.Type,
        _ arguments: [String]
    ) -> Int32 {
        if let code = error as? ExitCode { return code.rawValue }
        if let failure = error as? CommandFailure {
            if let line = failure.lineForPrograms {
                Output.error(line)
                return 1
            }
            Output.error("Error: \(failure.printableMessage)")
            if failure.showsUsage { Output.line(UsageText.text) }
            return failure.isUsage ? usageCode : 1
        }
        switch root.exitCode(for: error) {
        case .success:
            let ending = root == RootCommand.self ? HelpExample.ending(for: arguments) : ""
            Output.line(root.fullMessage(for: error) + ending)
            return 0
        case .validationFailure:
            Output.error(PlainText.lines(root.fullMessage(for: error)))
            return usageCode
        default:
            Output.error("Error: \(CommandFailure.words(for: error))")
            return 1
        }
    }

    /// The command line is wrong: `EX_USAGE` of sysexits.h.
    private static let usageCode: Int32 = 64
}

struct RootCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nodepass",
        abstract: "A declarative tunnel manager, compatible with NodePass.",
        discussion: """
            A URL instead of a subcommand runs one tunnel (server://…, client://…) or a daemon (master://…); \
            `nodepass "master://…" --help` lists the options that go with it.
            """,
        version: Version.line,
        subcommands: [
            RunCommand.self, ValidateCommand.self, PlanCommand.self, ApplyCommand.self, GetCommand.self,
            StatusCommand.self, ConnectionsCommand.self, DescribeCommand.self, StartCommand.self, StopCommand.self,
            RestartCommand.self,
            ResetCommand.self,
            CreateCommand.self, DeleteCommand.self, ReleaseCommand.self, ForgetPeerCommand.self, ExportCommand.self,
            PingCommand.self, LogsCommand.self, WatchCommand.self, EventsCommand.self, KeyCommand.self,
            ImportCommand.self, ConvertCommand.self,
            SchemaCommand.self, ExplainCommand.self, InitCommand.self, FormatCommand.self, TopCommand.self,
            CompletionCommand.self, ManCommand.self,
        ]
    )
}
