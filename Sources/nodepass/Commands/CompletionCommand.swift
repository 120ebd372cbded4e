import ArgumentParser

/// `nodepass completion SHELL`: the script that lets a shell complete commands, options and tunnels.
struct CompletionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completion",
        abstract: "Print the completion script of a shell: bash, zsh or fish.",
        discussion: "Names of tunnels come from the daemon that `nodepass get` talks to."
    )

    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash
        case zsh
        case fish
    }

    @Argument(help: "bash, zsh or fish")
    var shell: Shell

    func run() {
        let known: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        Output.line(RootCommand.completionScript(for: known))
    }
}

/// `nodepass man`: the manual page, made of the same help.
struct ManCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "man",
        abstract: "Print the manual page, for `man -l`."
    )

    func run() {
        Output.line(ManualPage.text)
    }
}
