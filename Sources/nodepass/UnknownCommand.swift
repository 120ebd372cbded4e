import ArgumentParser
import Config

/// A word in the place of a command that is none.
enum UnknownCommand {
    /// Words of other programs for what a command of ours does.
    private static let habits = [
        "ls": "get", "list": "get", "ps": "get", "show": "describe", "inspect": "describe", "rm": "delete",
        "remove": "delete", "up": "run", "serve": "run", "log": "logs", "tail": "logs", "diff": "plan",
        "add": "create", "history": "events", "check": "validate", "lint": "validate",
    ]

    /// Throws where the command line has such a word, and names what was probably meant.
    static func check(_ arguments: [String]) throws(CommandFailure) {
        guard let word = arguments.first, !word.hasPrefix("-") else { return }
        let known = RootCommand.configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
        guard !known.contains(word) else { return }
        let meant = habits[word] ?? EditDistance.nearest(to: word, among: known)
        let advice = meant.map { "; did you mean '\($0)'?" } ?? "; `nodepass help` lists the commands"
        throw CommandFailure(message: PlainText.line("unknown command '\(word)'\(advice)"), isUsage: true)
    }
}
