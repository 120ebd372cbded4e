import Config
import FoundationEssentials
import TestSupport
import Testing

/// What the fuzzer has found interesting, and what once failed, is read again in each run of the tests.
@Suite("Bytes of strangers", .timeLimit(.minutes(2)))
struct CorpusTests {
    private static let corpora = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Corpora"

    private static func inputs(_ target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
        let directory = "\(corpora)/\(target.rawValue)"
        return try FileManager.default.contentsOfDirectory(atPath: directory).sorted().map { name in
            (name, Array(try #require(FileManager.default.contents(atPath: "\(directory)/\(name)"))))
        }
    }

    @Test("every kept input is read without a trap, and its check holds", arguments: FuzzTarget.allCases)
    func kept(_ target: FuzzTarget) throws {
        let inputs = try Self.inputs(target)
        #expect(!inputs.isEmpty)
        for (name, bytes) in inputs {
            #expect(target.problem(with: bytes) == nil, "\(target.rawValue)/\(name)")
        }
    }

    /// For how long each target is given random changes of its inputs.
    private static let milliseconds = TestEnvironment.number("NODEPASS_TEST_FUZZ_MILLISECONDS") ?? 200

    @Test("random changes of kept inputs are read without a trap, and the check holds", arguments: FuzzTarget.allCases)
    func changed(_ target: FuzzTarget) throws {
        let inputs = try Self.inputs(target).map(\.bytes)
        let seed = TestEnvironment.seed()
        // A trap ends the process: the seed has to be out before it.
        print("random changes of \(target.rawValue): NODEPASS_TEST_SEED=\(seed)")
        var mutation = ByteMutation(seed: seed)
        let end = ContinuousClock.now + .milliseconds(Self.milliseconds)
        repeat {
            let bytes = mutation.next(of: inputs)
            guard let problem = target.problem(with: bytes) else { continue }
            Issue.record("\(target.rawValue), seed \(seed): \(problem); the input in hex: \(Hex.text(bytes))")
            return
        } while ContinuousClock.now < end
    }
}
