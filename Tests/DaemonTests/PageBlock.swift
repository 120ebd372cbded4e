import Foundation
import TestSupport
import Testing

/// A block of code in a page of the documentation, fenced or indented by four blanks.
struct PageBlock {
    /// The nearest heading above it, without its `#`s.
    let heading: String
    /// The last text in backticks before it, such as a file's name or a command.
    let subject: String
    /// What follows the fence; empty for an indented block.
    let language: String
    let text: String
    /// Of its first line.
    let line: Int

    /// A page's text, by its path in the repository.
    static func page(_ path: String) throws -> String {
        try String(contentsOf: Example.folder.appendingPathComponent("../" + path), encoding: .utf8)
    }

    /// All blocks of a page, in its order.
    static func all(in page: String) -> [PageBlock] {
        var reader = Reader()
        for line in page.split(separator: "\n", omittingEmptySubsequences: false) { reader.take(String(line)) }
        return reader.blocks
    }

    /// `text` with free ports in place of these, and the ones that took their places, in the same order.
    static func withFreePorts(_ written: [String], in text: String) throws -> (text: String, ports: [Int]) {
        let ports = try FreePorts.take(written.count)
        var text = text
        // Not at once: a free port may have the digits of the next one; the longest first, as 18080 has those of 8080.
        let order = written.indices.sorted { written[$0].count > written[$1].count }
        for index in order { text = text.replacing(written[index], with: "<\(index)>") }
        for index in order { text = text.replacing("<\(index)>", with: "\(ports[index])") }
        return (text, ports)
    }
}

/// Reads a page line by line.
private struct Reader {
    private(set) var blocks: [PageBlock] = []
    private var heading = ""
    private var subject = ""
    private var number = 0
    private var afterBlank = true
    /// The block that has begun: its language, nil for an indented one, and where.
    private var open: (language: String?, line: Int, text: String)?

    mutating func take(_ line: String) {
        number += 1
        defer { afterBlank = line.isEmpty }
        if let block = open {
            let isFenced = block.language != nil
            let isEnd = isFenced ? line.hasPrefix("```") : !line.isEmpty && !line.hasPrefix("    ")
            guard isEnd else {
                open?.text += (isFenced ? line : String(line.dropFirst(4))) + "\n"
                return
            }
            close(block)
            if isFenced { return }
        }
        if line.hasPrefix("```") {
            open = (String(line.dropFirst(3)), number + 1, "")
        } else if line.hasPrefix("    "), afterBlank {
            open = (nil, number, line.dropFirst(4) + "\n")
        } else {
            prose(line)
        }
    }

    private mutating func prose(_ line: String) {
        if line.hasPrefix("#") { heading = String(line.drop { $0 == "#" }.dropFirst()) }
        let spans = line.split(separator: "`", omittingEmptySubsequences: false)
        if spans.count >= 3 { subject = String(spans[spans.count - 2]) }
    }

    private mutating func close(_ block: (language: String?, line: Int, text: String)) {
        blocks.append(
            PageBlock(
                heading: heading,
                subject: subject,
                language: block.language ?? "",
                text: block.text,
                line: block.line
            )
        )
        open = nil
    }
}
