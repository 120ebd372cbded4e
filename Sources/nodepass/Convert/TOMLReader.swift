import Config

/// Reads TOML (https://toml.io/en/v1.0.0) into the tree that YAML is read into, with the place of each value.
///
/// Dates are read as text. A key that is given twice, or that would change a value into a table, is an error, as are
/// more than `depthLimit` levels.
struct TOMLReader {
    private static let depthLimit = 32

    private let file: String
    private let characters: [Unicode.Scalar]
    private var index = 0
    private var line = 1
    private var lineStart = 0
    private var root = Table(location: SourceLocation(file: "", line: 1, column: 1))

    /// A table while more may be added to it.
    private final class Table {
        enum Value {
            case leaf(DocumentNode)
            case table(Table)
            case tables([Table], SourceLocation)
        }

        private var entries: [(key: String, location: SourceLocation, value: Value)] = []
        private var indices: [String: Int] = [:]
        let location: SourceLocation
        /// A header or a value has defined it; another may not do so again.
        var isDefined = false
        /// Written with braces: nothing can be added.
        var isClosed = false

        init(location: SourceLocation) {
            self.location = location
        }

        subscript(key: String) -> Value? {
            get { indices[key].map { entries[$0].value } }
            set {
                guard let newValue, let index = indices[key] else { return }
                entries[index].value = newValue
            }
        }

        /// The key must be a new one.
        func add(_ key: String, _ location: SourceLocation, _ value: Value) {
            indices[key] = entries.count
            entries.append((key, location, value))
        }

        var node: DocumentNode {
            let entries = entries.map { entry in
                DocumentEntry(key: entry.key, keyLocation: entry.location, value: Self.node(entry.value))
            }
            return DocumentNode(.mapping(entries), at: location)
        }

        private static func node(_ value: Value) -> DocumentNode {
            switch value {
            case .leaf(let node): node
            case .table(let table): table.node
            case .tables(let tables, let location): DocumentNode(.sequence(tables.map(\.node)), at: location)
            }
        }
    }

    static func read(_ text: String, file: String) throws(ConversionProblem) -> DocumentNode {
        var reader = TOMLReader(text, file: file)
        return try reader.document()
    }

    private init(_ text: String, file: String) {
        self.file = file
        characters = Array(text.unicodeScalars)
    }

    // MARK: Lines

    private mutating func document() throws(ConversionProblem) -> DocumentNode {
        root = Table(location: location)
        var current = root
        while true {
            try skipToContent()
            guard let next = peek else { return root.node }
            if next == "[" {
                current = try header()
            } else {
                try pair(into: current)
            }
            skipBlanks()
            skipComment()
            guard peek == nil || skipLineEnd() else { throw problem("more than one value in a line") }
        }
    }

    private mutating func header() throws(ConversionProblem) -> Table {
        advance()
        let isArray = peek == "["
        if isArray { advance() }
        let keys = try dottedKey()
        for _ in 0..<(isArray ? 2 : 1) {
            guard peek == "]" else { throw problem("a header ends with \(isArray ? "]]" : "]")") }
            advance()
        }
        var table = root
        for (key, place) in keys.dropLast() { table = try child(key, of: table, at: place) }
        guard let (key, place) = keys.last else { throw problem("a header has a name") }
        guard isArray else {
            let named = try child(key, of: table, at: place)
            guard !named.isDefined else { throw ConversionProblem(place, "the table '\(key)' is defined twice") }
            named.isDefined = true
            return named
        }
        let new = Table(location: place)
        switch table[key] {
        case nil: table.add(key, place, .tables([new], place))
        case .tables(let tables, let first)?: table[key] = .tables(tables + [new], first)
        default: throw ConversionProblem(place, "'\(key)' is no list of tables above")
        }
        return new
    }

    private mutating func pair(into table: Table) throws(ConversionProblem) {
        let keys = try dottedKey()
        skipBlanks()
        guard peek == "=" else { throw problem("a key is followed by '=' and its value") }
        advance()
        skipBlanks()
        var table = table
        for (key, place) in keys.dropLast() { table = try child(key, of: table, at: place) }
        guard let (key, place) = keys.last else { throw problem("a key has a name") }
        guard table[key] == nil else { throw ConversionProblem(place, "'\(key)' is given twice") }
        guard !table.isClosed else { throw ConversionProblem(place, "nothing can be added to a table in braces") }
        table.add(key, place, .leaf(try value(depth: 0)))
    }

    /// The table of this name, made where there is none; the last one of a list.
    private func child(_ key: String, of table: Table, at place: SourceLocation) throws(ConversionProblem) -> Table {
        switch table[key] {
        case .table(let found)?: return found
        case .tables(let tables, _)?:
            if let last = tables.last { return last }
            throw ConversionProblem(place, "'\(key)' is an empty list")
        case .leaf?: throw ConversionProblem(place, "'\(key)' is a value above, not a table")
        case nil:
            let new = Table(location: place)
            table.add(key, place, .table(new))
            return new
        }
    }

    private mutating func dottedKey() throws(ConversionProblem) -> [(String, SourceLocation)] {
        var keys: [(String, SourceLocation)] = []
        while true {
            skipBlanks()
            let place = location
            switch peek {
            case "\"": keys.append((try basicString(), place))
            case "'": keys.append((try literalString(), place))
            default:
                var key = String.UnicodeScalarView()
                while let next = peek, Self.isBare(next) {
                    key.append(next)
                    advance()
                }
                guard !key.isEmpty else { throw problem("a key is expected") }
                keys.append((String(key), place))
            }
            skipBlanks()
            guard peek == "." else { break }
            guard keys.count < Self.depthLimit else { throw problem("more than \(Self.depthLimit) levels") }
            advance()
        }
        return keys
    }

    private static func isBare(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "-", "_": true
        default: false
        }
    }

    // MARK: Values

    private mutating func value(depth: Int) throws(ConversionProblem) -> DocumentNode {
        guard depth < Self.depthLimit else { throw problem("more than \(Self.depthLimit) levels") }
        let place = location
        switch peek {
        case "\"": return text(starts("\"\"\"") ? try longString("\"") : try basicString(), place)
        case "'": return text(starts("'''") ? try longString("'") : try literalString(), place)
        case "[": return try array(depth, place)
        case "{": return try inlineTable(depth, place)
        default:
            var word = String.UnicodeScalarView()
            while let next = peek, !",]}#\n\r\t ".unicodeScalars.contains(next) {
                word.append(next)
                advance()
            }
            guard !word.isEmpty else { throw problem("a value is expected") }
            return DocumentNode(.scalar(DocumentScalar(text: try plain(String(word), place), isPlain: true)), at: place)
        }
    }

    private func text(_ text: String, _ place: SourceLocation) -> DocumentNode {
        DocumentNode(.scalar(DocumentScalar(text: text, isPlain: false)), at: place)
    }

    /// A boolean, a number without its underscores, or a date.
    private func plain(_ word: String, _ place: SourceLocation) throws(ConversionProblem) -> String {
        if word == "true" || word == "false" { return word }
        guard let first = word.unicodeScalars.first, "+-0123456789in".unicodeScalars.contains(first) else {
            throw ConversionProblem(place, "'\(word)' needs quotes")
        }
        let digits = word.filter { $0 != "_" }
        let isNumber = Double(digits) != nil || ["0x", "0o", "0b"].contains { digits.hasPrefix($0) }
        let isDate = digits.contains("-") || digits.contains(":")
        guard isNumber || isDate else { throw ConversionProblem(place, "'\(word)' is not a number; text needs quotes") }
        return digits
    }

    private mutating func array(_ depth: Int, _ place: SourceLocation) throws(ConversionProblem) -> DocumentNode {
        advance()
        var items: [DocumentNode] = []
        while true {
            try skipToContent()
            if peek == "]" { break }
            items.append(try value(depth: depth + 1))
            try skipToContent()
            if peek == "," { advance() } else if peek != "]" { throw problem("a list ends with ]") }
        }
        advance()
        return DocumentNode(.sequence(items), at: place)
    }

    private mutating func inlineTable(_ depth: Int, _ place: SourceLocation) throws(ConversionProblem) -> DocumentNode {
        advance()
        let table = Table(location: place)
        skipBlanks()
        while peek != "}" {
            let keys = try dottedKey()
            guard peek == "=" else { throw problem("a key is followed by '=' and its value") }
            advance()
            skipBlanks()
            var inner = table
            for (key, place) in keys.dropLast() { inner = try child(key, of: inner, at: place) }
            guard let (key, keyPlace) = keys.last else { throw problem("a key has a name") }
            guard inner[key] == nil else { throw ConversionProblem(keyPlace, "'\(key)' is given twice") }
            inner.add(key, keyPlace, .leaf(try value(depth: depth + 1)))
            skipBlanks()
            if peek == "," {
                advance()
                skipBlanks()
            } else if peek != "}" {
                throw problem("a table in braces ends with }")
            }
        }
        advance()
        table.isClosed = true
        return table.node
    }

    // MARK: Text

    private mutating func basicString() throws(ConversionProblem) -> String {
        advance()
        var text = String.UnicodeScalarView()
        while let next = peek, next != "\"" {
            guard next != "\n" else { throw problem("text in quotes ends in its line") }
            advance()
            text.append(next == "\\" ? try escaped() : next)
        }
        try end("\"")
        return String(text)
    }

    private mutating func literalString() throws(ConversionProblem) -> String {
        advance()
        var text = String.UnicodeScalarView()
        while let next = peek, next != "'" {
            guard next != "\n" else { throw problem("text in quotes ends in its line") }
            text.append(next)
            advance()
        }
        try end("'")
        return String(text)
    }

    private mutating func longString(_ quote: Unicode.Scalar) throws(ConversionProblem) -> String {
        let quotes = String(String.UnicodeScalarView(repeating: quote, count: 3))
        for _ in 0..<3 { advance() }
        if peek == "\r" { advance() }
        if peek == "\n" { advance() }
        var text = String.UnicodeScalarView()
        while !starts(quotes) {
            guard let next = peek else { throw problem("text in \(quotes) does not end") }
            advance()
            guard next == "\\", quote == "\"" else {
                text.append(next)
                continue
            }
            if peek == "\n" || peek == "\r" || peek == " " || peek == "\t" {
                while let blank = peek, " \t\r\n".unicodeScalars.contains(blank) { advance() }
            } else {
                text.append(try escaped())
            }
        }
        for _ in 0..<3 { advance() }
        // Up to two quotes may stand before those that end it.
        while peek == quote, text.count < characters.count {
            text.append(quote)
            advance()
        }
        return String(text)
    }

    private mutating func escaped() throws(ConversionProblem) -> Unicode.Scalar {
        guard let next = peek else { throw problem("text ends after '\\'") }
        advance()
        switch next {
        case "b": return "\u{8}"
        case "t": return "\t"
        case "n": return "\n"
        case "f": return "\u{c}"
        case "r": return "\r"
        case "\"", "\\": return next
        case "u", "U":
            var number: UInt32 = 0
            for _ in 0..<(next == "u" ? 4 : 8) {
                guard let digit = peek, let value = Character(digit).hexDigitValue else {
                    throw problem("'\\\(next)' is followed by hexadecimal digits")
                }
                number = number << 4 | UInt32(value)
                advance()
            }
            guard let scalar = Unicode.Scalar(number) else { throw problem("no character has this number") }
            return scalar
        default: throw problem("'\\\(next)' means nothing")
        }
    }

    private mutating func end(_ quote: Unicode.Scalar) throws(ConversionProblem) {
        guard peek == quote else { throw problem("text in quotes does not end") }
        advance()
    }

    // MARK: Characters

    private var peek: Unicode.Scalar? { index < characters.count ? characters[index] : nil }

    private var location: SourceLocation { SourceLocation(file: file, line: line, column: index - lineStart + 1) }

    private func problem(_ message: String) -> ConversionProblem { ConversionProblem(location, message) }

    private func starts(_ text: String) -> Bool { characters[index...].starts(with: text.unicodeScalars) }

    private mutating func advance() {
        if peek == "\n" {
            line += 1
            lineStart = index + 1
        }
        index += 1
    }

    private mutating func skipBlanks() {
        while peek == " " || peek == "\t" { advance() }
    }

    private mutating func skipComment() {
        guard peek == "#" else { return }
        while let next = peek, next != "\n" {
            _ = next
            advance()
        }
    }

    private mutating func skipLineEnd() -> Bool {
        if peek == "\r" { advance() }
        guard peek == "\n" else { return peek == nil }
        advance()
        return true
    }

    private mutating func skipToContent() throws(ConversionProblem) {
        while true {
            skipBlanks()
            skipComment()
            guard peek == "\n" || peek == "\r" else { return }
            guard skipLineEnd() else { throw problem("a carriage return stands alone") }
        }
    }
}
