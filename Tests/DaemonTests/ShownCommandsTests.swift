import ArgumentParser
import Foundation
import TestSupport
import Testing

@testable import nodepass

@Suite("Commands that the documentation shows")
struct ShownCommandsTests {
    /// Pages whose blocks a suite of their own runs.
    private static let replayed: Set = ["docs/getting-started.md", "docs/migrating.md", "docs/recipes.md"]
    /// What a page says at its top whose blocks nothing runs.
    private static let mark = "<!-- The commands on this page are illustrations. -->"

    private static var pages: [String] {
        get throws {
            let names = try FileManager.default.contentsOfDirectory(
                atPath: Example.folder.appendingPathComponent("../docs").path
            )
            return ["README.md", "CONTRIBUTING.md"] + names.filter { $0.hasSuffix(".md") }.sorted().map { "docs/" + $0 }
        }
    }

    /// Lines of a block that are commands: all of a script, those after a `$ ` of a session.
    private static func commands(_ block: PageBlock) -> [String] {
        let lines = block.text.split(separator: "\n").map(String.init)
        switch block.language {
        case "sh": return lines
        case "", "console":
            let starts = ["nodepass ", "curl ", "make ", "systemctl ", "sqlite3 "]
            return lines.compactMap { line in
                if line.hasPrefix("$ ") { return String(line.dropFirst(2)) }
                return block.language.isEmpty && starts.contains { line.hasPrefix($0) } ? line : nil
            }
        default: return []
        }
    }

    @Test("each page with commands has them run by a test, or says that they are illustrations")
    func marked() throws {
        for page in try Self.pages {
            let text = try PageBlock.page(page)
            let hasCommands = PageBlock.all(in: text).contains { !Self.commands($0).isEmpty }
            #expect(text.contains(Self.mark) == (hasCommands && !Self.replayed.contains(page)), "\(page)")
        }
    }

    @Test("each nodepass command of an illustration is one that the program takes")
    func parsed() throws {
        var count = 0
        for page in try Self.pages where !Self.replayed.contains(page) {
            for block in PageBlock.all(in: try PageBlock.page(page)) {
                for line in Self.commands(block) {
                    for words in Self.simpleCommands(line) where words.first == "nodepass" && words.count > 1 {
                        // A URL is what NodePass takes, which has tests of its own.
                        guard !words[1].contains("://") else { continue }
                        count += 1
                        #expect(throws: Never.self, "\(page):\(block.line): \(line)") {
                            try RootCommand.parseAsRoot(Array(words.dropFirst()))
                        }
                    }
                }
            }
        }
        #expect(count > 30)
    }

    /// The words of each command in a line of a shell, without redirections and comments.
    private static func simpleCommands(_ line: String) -> [[String]] {
        var commands: [[String]] = [[]]
        var word: String?
        var quote: Character?
        func end() {
            if let done = word { commands[commands.count - 1].append(done) }
            word = nil
        }
        for character in line {
            if let open = quote {
                if character == open { quote = nil } else { word?.append(character) }
            } else if character == "'" || character == "\"" {
                quote = character
                word = word ?? ""
            } else if "|&;<>()".contains(character) {
                end()
                commands.append([])
            } else if character == " " {
                end()
            } else if character == "#", word == nil {
                break
            } else {
                word = (word ?? "") + String(character)
            }
        }
        end()
        return commands.map { command in
            Array(command.drop { $0.contains("=") && !$0.hasPrefix("-") && !$0.hasPrefix("nodepass") })
        }
    }
}
