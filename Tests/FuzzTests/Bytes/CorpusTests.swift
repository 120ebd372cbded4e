import FoundationEssentials
import Testing

/// What the fuzzer has found interesting, and what once failed, is read again in each run of the tests.
@Suite("Bytes of strangers", .timeLimit(.minutes(2)))
struct CorpusTests {
    private static let corpora = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Corpora"

    @Test("every kept input is read without a trap, and its check holds", arguments: FuzzTarget.allCases)
    func kept(_ target: FuzzTarget) throws {
        let directory = "\(Self.corpora)/\(target.rawValue)"
        let names = try FileManager.default.contentsOfDirectory(atPath: directory)
        #expect(!names.isEmpty)
        for name in names {
            let bytes = Array(try #require(FileManager.default.contents(atPath: "\(directory)/\(name)")))
            #expect(target.problem(with: bytes) == nil, "\(target.rawValue)/\(name)")
        }
    }
}
