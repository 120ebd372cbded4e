import Foundation
import Reconciler
import Testing
import Tunnel

@Suite("docs/troubleshooting.md")
struct TroubleshootingTests {
    @Test("the page has a row for each reason and each kind of problem, and no other")
    func complete() throws {
        let file = Example.folder.appendingPathComponent("../docs/troubleshooting.md")
        let rows = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").compactMap { line in
            line.firstMatch(of: /^\| `([A-Za-z-]+)` \| .+ \| .+ \|$/).map { String($0.1) }
        }
        #expect(rows == TunnelReason.allCases.map(\.rawValue) + Problem.Kind.allCases.map(\.rawValue))
    }
}
