/// A value of Go's `encoding/gob`, as far as it can be understood without knowing the program that wrote it.
indirect enum GobValue: Sendable, Hashable {
    case bool(Bool)
    case int(Int64)
    case uint(UInt64)
    case float(Double)
    case complex(real: Double, imaginary: Double)
    case bytes([UInt8])
    case string(String)
    /// An array or a slice.
    case list([GobValue])
    case map([GobEntry])
    /// Fields by name; without those that have their type's zero value.
    case structure([String: GobValue])
    /// What a type of its own encoding wrote, such as a `time.Time`.
    case opaque([UInt8])
    /// A nil interface.
    case absent

    /// What it is, for a message to somebody who expected something else.
    var kindName: String {
        switch self {
        case .bool: "a boolean"
        case .int, .uint: "an integer"
        case .float, .complex: "a number"
        case .bytes, .opaque: "bytes"
        case .string: "a text"
        case .list: "a list"
        case .map: "a map"
        case .structure: "a structure"
        case .absent: "nothing"
        }
    }
}

struct GobEntry: Sendable, Hashable {
    let key: GobValue
    let value: GobValue

    init(_ key: GobValue, _ value: GobValue) {
        self.key = key
        self.value = value
    }
}

/// How much of a gob is read, so that a hostile file costs as little as a broken one.
struct GobLimits: Sendable, Hashable {
    /// Types a stream may define; a program has a few dozen.
    var types = 1_000
    /// Values within values; deeper ones come from no program that means well.
    var nesting = 32
    /// Values in all, each of which costs far more in memory than in the file.
    var values = 2_000_000

    init() {}
}

/// Where a gob stops making sense, and why.
struct GobError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Of the first byte of what is wrong.
    let offset: Int
    let problem: String

    var description: String { "byte \(offset): \(problem)" }
}
