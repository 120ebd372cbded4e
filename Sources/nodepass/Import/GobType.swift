/// A type of a gob stream, by the numbers the stream knows types by.
enum GobType: Sendable, Hashable {
    struct Field: Sendable, Hashable {
        let name: String
        let type: Int
    }

    case bool, int, uint, float, bytes, string, complex, interface
    case array(element: Int, count: Int)
    case slice(element: Int)
    case map(key: Int, element: Int)
    case structure([Field])
    /// Encodes itself, into bytes that only its program understands.
    case opaque

    /// What describes a type, and with it the types that descriptions are made of.
    static let definitionID = 16
    /// Below it are the types every stream knows; a stream defines its own from here on.
    static let firstFreeID = 64

    static let known: [Int: GobType] = [
        1: .bool, 2: .int, 3: .uint, 4: .float, 5: .bytes, 6: .string, 7: .complex, 8: .interface,
        definitionID: .structure([
            Field(name: "ArrayT", type: 17), Field(name: "SliceT", type: 19), Field(name: "StructT", type: 20),
            Field(name: "MapT", type: 23), Field(name: "GobEncoderT", type: 24),
            Field(name: "BinaryMarshalerT", type: 24), Field(name: "TextMarshalerT", type: 24),
        ]),
        17: .structure([
            Field(name: "CommonType", type: 18), Field(name: "Elem", type: 2), Field(name: "Len", type: 2),
        ]),
        18: .structure([Field(name: "Name", type: 6), Field(name: "Id", type: 2)]),
        19: .structure([Field(name: "CommonType", type: 18), Field(name: "Elem", type: 2)]),
        20: .structure([Field(name: "CommonType", type: 18), Field(name: "Field", type: 22)]),
        21: .structure([Field(name: "Name", type: 6), Field(name: "Id", type: 2)]),
        22: .slice(element: 21),
        23: .structure([
            Field(name: "CommonType", type: 18), Field(name: "Key", type: 2), Field(name: "Elem", type: 2),
        ]),
        24: .structure([Field(name: "CommonType", type: 18)]),
    ]

    /// Nil where a description says not exactly one thing, or not everything that it has to.
    init?(definition: GobValue) {
        guard case .structure(let kinds) = definition, kinds.count == 1,
            let (kind, value) = kinds.first, case .structure(let parts) = value
        else { return nil }
        func number(_ name: String) -> Int? {
            guard case .int(let value)? = parts[name] else { return nil }
            return Int(exactly: value)
        }
        switch kind {
        case "ArrayT":
            guard let element = number("Elem") else { return nil }
            self = .array(element: element, count: number("Len") ?? 0)
        case "SliceT":
            guard let element = number("Elem") else { return nil }
            self = .slice(element: element)
        case "MapT":
            guard let key = number("Key"), let element = number("Elem") else { return nil }
            self = .map(key: key, element: element)
        case "StructT":
            guard let fields = GobType.fields(parts["Field"]) else { return nil }
            self = .structure(fields)
        default:
            self = .opaque
        }
    }

    private static func fields(_ value: GobValue?) -> [Field]? {
        guard let value else { return [] }
        guard case .list(let items) = value else { return nil }
        var fields: [Field] = []
        for item in items {
            guard case .structure(let parts) = item, case .string(let name)? = parts["Name"],
                case .int(let id)? = parts["Id"], let type = Int(exactly: id)
            else { return nil }
            fields.append(Field(name: name, type: type))
        }
        return fields
    }
}
