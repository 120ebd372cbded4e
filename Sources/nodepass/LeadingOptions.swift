import ArgumentParser

/// Options that name the daemon may precede the command, too: `nodepass --context prod get`.
enum LeadingOptions {
    static let valued: Set = ["--context", "--state-dir", "--server", "--api-key", "--ca-file", "--fingerprint"]
    static let flags: Set = ["--insecure"]

    /// The command line with these options behind the words of its command, where they are parsed.
    static func behindCommand(_ arguments: [String]) -> [String] {
        let count = leading(arguments)
        let rest = arguments.dropFirst(count)
        guard count > 0, let first = rest.first, !first.hasPrefix("-"), !first.contains("://") else { return arguments }
        // Help is the same whichever daemon there is.
        guard first != "help" else { return Array(rest) }
        let words = max(1, commandWords(rest))
        return Array(rest.prefix(words)) + arguments.prefix(count) + rest.dropFirst(words)
    }

    /// How many arguments these options take at the beginning.
    private static func leading(_ arguments: [String]) -> Int {
        var count = 0
        while count < arguments.count {
            let argument = arguments[count]
            if flags.contains(argument) {
                count += 1
            } else if valued.contains(String(argument.prefix { $0 != "=" })) {
                count += argument.contains("=") ? 1 : 2
            } else {
                break
            }
        }
        return min(count, arguments.count)
    }

    /// `key show` has two.
    private static func commandWords(_ arguments: some Sequence<String>) -> Int {
        var commands = RootCommand.configuration.subcommands
        var count = 0
        for word in arguments {
            guard let command = commands.first(where: { $0.configuration.commandName == word }) else { break }
            commands = command.configuration.subcommands
            count += 1
        }
        return count
    }
}
