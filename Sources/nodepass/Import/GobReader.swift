/// Reads one value of Go's `encoding/gob` from a whole stream, with whatever types the stream defines for it.
///
/// Source: the section "Encoding Details" of the package's documentation, https://pkg.go.dev/encoding/gob. Strict: what is
/// malformed, or goes on after the value, is an error that names its byte. Every step takes at least one byte, and values,
/// types and nesting are counted, so that reading ends whatever the bytes are. A value in an interface is not
/// understood: its type's name alone does not say how it is written.
struct GobReader {
    private let limits: GobLimits
    private var cursor: GobCursor
    private var types = GobType.known
    private var valuesLeft: Int

    static func read(_ bytes: [UInt8], limits: GobLimits = GobLimits()) throws(GobError) -> GobValue {
        var reader = GobReader(bytes, limits)
        return try reader.read()
    }

    private init(_ bytes: [UInt8], _ limits: GobLimits) {
        self.limits = limits
        cursor = GobCursor(bytes)
        valuesLeft = limits.values
    }

    /// Messages define types until one has the value.
    private mutating func read() throws(GobError) -> GobValue {
        while true {
            try cursor.enterMessage()
            let start = cursor.offset
            let id = try cursor.int()
            guard id < 0 else {
                let value = try topLevel(Int(id), from: start)
                try finishMessage()
                guard cursor.isAtEndOfFile else { throw failure(cursor.offset, "goes on after its value") }
                return value
            }
            try define(id, from: start)
            try finishMessage()
        }
    }

    private func finishMessage() throws(GobError) {
        guard cursor.isAtEnd else { throw failure(cursor.offset, "a message is longer than what it says") }
    }

    /// A value that is no structure is written like the only field of one, without its end.
    private mutating func topLevel(_ id: Int, from start: Int) throws(GobError) -> GobValue {
        if case .structure = try type(id, at: start) { return try value(id, depth: 0) }
        let mark = cursor.offset
        guard try cursor.uint() == 0 else { throw failure(mark, "a value does not begin as one") }
        return try value(id, depth: 0)
    }

    /// A negative number is the type that the message describes.
    private mutating func define(_ negative: Int64, from start: Int) throws(GobError) {
        guard let id = Int(exactly: negative.magnitude), id >= GobType.firstFreeID else {
            throw failure(start, "defines type \(negative.magnitude), whose number is reserved")
        }
        guard types[id] == nil else { throw failure(start, "defines type \(id) twice") }
        guard types.count - GobType.known.count < limits.types else {
            throw failure(start, "defines more than \(limits.types) types")
        }
        guard let type = GobType(definition: try value(GobType.definitionID, depth: 0)) else {
            throw failure(start, "does not describe type \(id) as one")
        }
        types[id] = type
    }

    private func type(_ id: Int, at offset: Int) throws(GobError) -> GobType {
        guard let type = types[id] else { throw failure(offset, "uses type \(id), which is not defined") }
        return type
    }

    private mutating func value(_ id: Int, depth: Int) throws(GobError) -> GobValue {
        let start = cursor.offset
        guard depth <= limits.nesting else { throw failure(start, "is nested deeper than \(limits.nesting) levels") }
        guard valuesLeft > 0 else { throw failure(start, "holds more than \(limits.values) values") }
        valuesLeft -= 1
        switch try type(id, at: start) {
        case .bool: return .bool(try cursor.bool())
        case .int: return .int(try cursor.int())
        case .uint: return .uint(try cursor.uint())
        case .float: return .float(try cursor.float())
        case .complex: return .complex(real: try cursor.float(), imaginary: try cursor.float())
        case .bytes: return .bytes(try cursor.data("a list of bytes"))
        case .string: return .string(try cursor.text())
        case .opaque: return .opaque(try cursor.data("a value"))
        case .interface: return try absent(from: start)
        case .array(let element, let count): return try list(of: element, count, depth: depth + 1)
        case .slice(let element): return try list(of: element, nil, depth: depth + 1)
        case .map(let key, let element): return try map(key, element, depth: depth + 1)
        case .structure(let fields): return try structure(fields, depth: depth + 1)
        }
    }

    private mutating func absent(from start: Int) throws(GobError) -> GobValue {
        let name = try cursor.text()
        guard name.isEmpty else { throw failure(start, "holds a value of any type, which cannot be read") }
        return .absent
    }

    private mutating func list(of element: Int, _ expected: Int?, depth: Int) throws(GobError) -> GobValue {
        let start = cursor.offset
        let count = try cursor.count("a list", from: start)
        guard expected == nil || expected == count else {
            throw failure(start, "an array has another length than its type")
        }
        var items: [GobValue] = []
        for _ in 0..<count { items.append(try value(element, depth: depth)) }
        return .list(items)
    }

    private mutating func map(_ key: Int, _ element: Int, depth: Int) throws(GobError) -> GobValue {
        let count = try cursor.count("a map", from: cursor.offset, each: 2)
        var entries: [GobEntry] = []
        for _ in 0..<count {
            let name = try value(key, depth: depth)
            entries.append(GobEntry(name, try value(element, depth: depth)))
        }
        return .map(entries)
    }

    /// Each field is preceded by the distance to it from the one before; 0 is the end.
    private mutating func structure(_ fields: [GobType.Field], depth: Int) throws(GobError) -> GobValue {
        var values: [String: GobValue] = [:]
        var next = 0
        while true {
            let start = cursor.offset
            let distance = try cursor.uint()
            if distance == 0 { return .structure(values) }
            guard distance <= UInt64(fields.count - next) else {
                throw failure(start, "has a field that its structure does not have")
            }
            next += Int(distance)
            let field = fields[next - 1]
            values[field.name] = try value(field.type, depth: depth)
        }
    }

    private func failure(_ offset: Int, _ problem: String) -> GobError {
        GobError(offset: offset, problem: problem)
    }
}
