import API
import ArgumentParser

/// The manual page in troff: a section for each command, made of its help.
enum ManualPage {
    static var text: String {
        let head = """
            .TH NODEPASS 1 "" "nodepass \(Version.build)" "User Commands"
            .SH NAME
            nodepass \\- declarative tunnel manager
            .SH DESCRIPTION
            .nf
            """
        let commands = RootCommand.configuration.subcommands.map { command in
            """
            .SH \((command.configuration.commandName ?? "").uppercased())
            .nf
            \(escaped(RootCommand.helpMessage(for: command, columns: 78)))
            """
        }
        return ([head + "\n" + escaped(RootCommand.helpMessage(columns: 78))] + commands).joined(separator: "\n")
    }

    /// A line that begins with a dot or an apostrophe would be a command of troff.
    private static func escaped(_ text: String) -> String {
        let lines = text.replacing("\\", with: "\\e").replacing("-", with: "\\-").split(
            separator: "\n",
            omittingEmptySubsequences: false
        )
        return lines.map { line in
            line.first.map { ".'".contains($0) } == true ? "\\&" + line : String(line)
        }.joined(separator: "\n")
    }
}
