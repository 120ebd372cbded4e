import Foundation
import Testing

@Suite("The promises of the security page")
struct SecurityPageTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    @Test("each promise about two ends names tests that exist")
    func names() throws {
        let page = try String(contentsOf: Self.root.appendingPathComponent("docs/security.md"), encoding: .utf8)
        let start = try #require(page.range(of: "The tests of these promises"))
        let end = try #require(page.range(of: "What to choose"))
        let text = page[start.upperBound..<end.lowerBound].split(whereSeparator: \.isWhitespace).joined(separator: " ")
        let names = text.matches(of: /"([^"]+)"/).map { String($0.output.1) }
        #expect(names.count >= 14)
        let folder = Self.root.appendingPathComponent("Tests")
        let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix("Tests.swift") }
        let sources = try files.map {
            try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8)
        }
        for name in names { #expect(sources.contains { $0.contains("\"\(name)\"") }, "\(name)") }
    }
}
