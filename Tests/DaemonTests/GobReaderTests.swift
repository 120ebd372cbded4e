import TestSupport
import Testing

@testable import nodepass

@Suite("Gob reader", .timeLimit(.minutes(1)))
struct GobReaderTests {
    private func fields(_ value: GobValue?) -> [String: GobValue] {
        guard case .structure(let fields)? = value else { return [:] }
        return fields
    }

    private func entries(_ value: GobValue) -> [GobEntry] {
        guard case .map(let entries) = value else { return [] }
        return entries
    }

    private func failure(_ bytes: [UInt8], limits: GobLimits = GobLimits()) -> GobError? {
        do throws(GobError) {
            _ = try GobReader.read(bytes, limits: limits)
            return nil
        } catch {
            return error
        }
    }

    @Test("a map of structures is read with its fields by name, zero values left out")
    func master() throws {
        let rows = entries(try GobReader.read(GobFiles.master))
        #expect(rows.count == 5)
        let web = fields(rows.first { $0.key == .string("a1b2c3d4") }?.value)
        #expect(web["Alias"] == .string("Web"))
        #expect(web["Restart"] == .bool(true))
        #expect(web["Pool"] == .int(64))
        #expect(web["Ping"] == nil)
        #expect(web["TCPTX"] == .uint(1 << 63 + 5))
        #expect(fields(web["Meta"])["Tags"] == .map([GobEntry(.string("env"), .string("prod"))]))
        #expect(
            fields(fields(web["Meta"])["Peer"]) == [
                "SID": .string("svc-1"), "Type": .string("1"), "Alias": .string("Home"),
            ]
        )
    }

    @Test("every kind of type is read, and what encodes itself is passed over")
    func kinds() throws {
        let row = fields(entries(try GobReader.read(GobFiles.later)).first?.value)
        #expect(row["Score"] == .float(-2.5))
        #expect(row["Raw"] == .bytes([0, 1, 255]))
        #expect(
            row["Path"]
                == .list([
                    .structure(["Hop": .string("a"), "Cost": .int(-129)]), .structure([:]),
                ])
        )
        #expect(row["Square"] == .list([.int(1), .int(0), .int(-300)]))
        #expect(row["Names"] == .map([GobEntry(.int(-1), .list([.string("x"), .string("")]))]))
        #expect(
            row["Next"]
                == .structure([
                    "ID": .string("inner"), "Square": .list([.int(0), .int(0), .int(0)]), "Meta": .structure([:]),
                ])
        )
        #expect(row["Wave"] == .complex(real: 1, imaginary: -1))
        #expect(row["TCPRX"] == .int(17))
        guard case .opaque(let time)? = row["When"] else {
            Issue.record("a time is bytes of its own")
            return
        }
        #expect(time.count == 15)
        #expect(row["Anything"] == nil)
    }

    @Test(
        "what is malformed names its byte",
        arguments: [
            ([], 0, "ends in the middle of a value"),
            ([0], 0, "a message is empty"),
            ([5, 12, 0], 0, "a message is longer than what is left of the file"),
            ([0xf0, 1], 0, "an integer has more than 8 bytes"),
            ([0xfe, 1], 0, "an integer is cut short"),
            // the value 5 as an int, and what can go wrong around it
            ([3, 4, 0, 10, 0], 4, "goes on after its value"),
            ([4, 4, 0, 10, 0], 4, "a message is longer than what it says"),
            ([2, 4, 0], 3, "ends in the middle of a value"),
            ([3, 4, 1, 10], 2, "a value does not begin as one"),
            ([3, 2, 0, 2], 3, "a boolean is neither 0 nor 1"),
            ([3, 130, 0, 0], 1, "an integer has more than 8 bytes"),
            ([2, 100, 0], 1, "uses type 50, which is not defined"),
            ([3, 12, 0, 200], 3, "an integer has more than 8 bytes"),
            ([4, 12, 0, 2, 65], 3, "a text is longer than what is left of the file"),
            ([4, 12, 0, 1, 0xff], 3, "a text is not UTF-8"),
            ([4, 16, 0, 1, 65], 3, "holds a value of any type, which cannot be read"),
            // definitions: 127 is -64
            ([2, 1, 0], 1, "defines type 1, whose number is reserved"),
            ([2, 127, 0], 1, "does not describe type 64 as one"),
            ([3, 127, 9, 0], 2, "has a field that its structure does not have"),
        ] as [([UInt8], Int, String)]
    )
    func malformed(bytes: [UInt8], offset: Int, problem: String) {
        let error = failure(bytes)
        #expect(error?.description == "byte \(offset): \(problem)")
    }

    @Test("types that contain themselves end at the nesting limit")
    func nesting() {
        // Type 64 is a list of itself.
        let definition: [UInt8] = [9, 127, 2, 1, 0, 1, 0xff, 128, 0, 0]
        func value(_ depth: Int) -> [UInt8] {
            let body = [0xff, 128, 0] + [UInt8](repeating: 1, count: depth) + [0]
            return definition + [UInt8(body.count)] + body
        }
        #expect(failure(value(10)) == nil, "\(String(describing: failure(value(10))))")
        #expect(failure(value(60))?.problem == "is nested deeper than 32 levels")
    }

    @Test("values, types and lists are counted before they cost anything")
    func counts() {
        var limits = GobLimits()
        limits.values = 40
        #expect(failure(GobFiles.master, limits: limits)?.problem == "holds more than 40 values")
        limits = GobLimits()
        limits.types = 3
        #expect(failure(GobFiles.master, limits: limits)?.problem == "defines more than 3 types")
        // A slice of 2^40 texts in a file of a few bytes.
        let huge: [UInt8] = [
            12, 0xff, 149, 2, 1, 2, 0xff, 150, 0, 1, 12, 0, 0, 10, 0xff, 150, 0, 0xfa, 1, 0, 0, 0, 0, 0,
        ]
        #expect(failure(huge)?.problem == "a list is longer than what is left of the file")
    }

    @Test("every beginning of a file is an error, and nothing else happens")
    func truncated() {
        for file in [GobFiles.master, GobFiles.later] {
            #expect(failure(file) == nil)
            for length in 0..<file.count {
                let error = failure(Array(file.prefix(length)))
                #expect(error != nil && (0...length).contains(error?.offset ?? -1), "\(length)")
            }
        }
    }

    @Test("a damaged file is read or refused, whatever the damage is", arguments: 0..<8 as Range<UInt64>)
    func mutated(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let files = [GobFiles.master, GobFiles.later, GobFiles.foreign]
        var refused = 0
        for round in 0..<600 {
            var bytes = files[round % files.count]
            for _ in 0..<Int.random(in: 1...4, using: &random) { damage(&bytes, using: &random) }
            guard let error = failure(bytes) else {
                _ = try? NodePassStateFile.read(bytes)
                continue
            }
            refused += 1
            #expect((0...bytes.count).contains(error.offset))
        }
        #expect(refused > 100)
    }

    private func damage(_ bytes: inout [UInt8], using random: inout SeededRandom) {
        guard let at = bytes.indices.randomElement(using: &random) else { return }
        let telling: [UInt8] = [0, 1, 0x7f, 0x80, 0xf7, 0xf8, 0xfe, 0xff]
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[at] = telling.randomElement(using: &random) ?? 0
        case 2: bytes.insert(telling.randomElement(using: &random) ?? 0, at: at)
        case 3: bytes.remove(at: at)
        default:
            let end = min(bytes.count, at + Int.random(in: 1...40, using: &random))
            bytes.insert(contentsOf: bytes[at..<end], at: bytes.indices.randomElement(using: &random) ?? 0)
        }
    }
}
