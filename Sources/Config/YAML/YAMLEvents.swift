import CYAML

/// One step of a YAML text, as libyaml tokenises it; what words such as `yes` or `010` mean is
/// decided by us, later.
enum YAMLEvent {
    case documentStart
    case documentEnd
    case streamEnd
    case alias(String)
    case scalar(String, isPlain: Bool, anchor: String?, tag: String?)
    case sequenceStart(anchor: String?, tag: String?)
    case sequenceEnd
    case mappingStart(anchor: String?, tag: String?)
    case mappingEnd
}

/// A 1-based place in a text.
struct YAMLMark {
    let line: Int
    let column: Int

    init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    init(_ mark: yaml_mark_t) {
        line = Int(mark.line) + 1
        column = Int(mark.column) + 1
    }
}

/// Why libyaml cannot read a text, and where.
struct YAMLSyntaxError: Error {
    let problem: String
    let mark: YAMLMark
    /// Where what was being read began, as far as libyaml says it.
    var context: YAMLMark?
}

/// libyaml's parser over one text; the only place that knows the C library.
final class YAMLEventStream {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    /// libyaml keeps a pointer into the text, so the bytes live as long as the parser.
    private let input: UnsafeMutableBufferPointer<UInt8>
    private let mask: YAMLMask

    init(_ original: String) {
        mask = YAMLMask(original)
        let text = mask.text
        parser = .allocate(capacity: 1)
        input = .allocate(capacity: max(text.utf8.count, 1))
        _ = input.initialize(from: text.utf8)
        yaml_parser_initialize(parser)
        yaml_parser_set_input_string(parser, input.baseAddress, text.utf8.count)
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        input.deallocate()
    }

    /// The next step and where it starts; not to be called after `streamEnd`.
    func next() throws(YAMLSyntaxError) -> (event: YAMLEvent, mark: YAMLMark) {
        while true {
            var raw = yaml_event_t()
            guard yaml_parser_parse(parser, &raw) == 1 else { throw failure() }
            defer { yaml_event_delete(&raw) }
            if let event = translate(raw) { return (event, YAMLMark(raw.start_mark)) }
        }
    }

    private func failure() -> YAMLSyntaxError {
        let state = parser.pointee
        let problem = state.problem.map { String(cString: $0) } ?? "this is not YAML"
        let context = state.context.map { String(cString: $0) + ": " } ?? ""
        let mark = state.error == YAML_READER_ERROR ? place(ofByte: state.problem_offset) : YAMLMark(state.problem_mark)
        let began = state.context == nil ? nil : YAMLMark(state.context_mark)
        return YAMLSyntaxError(problem: context + problem, mark: mark, context: began)
    }

    /// Bytes that are not text are reported by their offset only.
    private func place(ofByte offset: Int) -> YAMLMark {
        let before = String(decoding: input.prefix(offset), as: UTF8.self)
        let lastLine = before.split(separator: "\n", omittingEmptySubsequences: false).last ?? ""
        let line = before.utf8.count { $0 == UInt8(ascii: "\n") } + 1
        return YAMLMark(line: line, column: lastLine.unicodeScalars.count + 1)
    }

    /// Nil for the start of the stream, which has no meaning for us.
    private func translate(_ raw: yaml_event_t) -> YAMLEvent? {
        switch raw.type {
        case YAML_DOCUMENT_START_EVENT: .documentStart
        case YAML_DOCUMENT_END_EVENT: .documentEnd
        case YAML_STREAM_END_EVENT: .streamEnd
        case YAML_ALIAS_EVENT: .alias(text(raw.data.alias.anchor) ?? "")
        case YAML_SCALAR_EVENT: scalar(raw)
        case YAML_SEQUENCE_START_EVENT:
            .sequenceStart(anchor: text(raw.data.sequence_start.anchor), tag: text(raw.data.sequence_start.tag))
        case YAML_SEQUENCE_END_EVENT: .sequenceEnd
        case YAML_MAPPING_START_EVENT:
            .mappingStart(anchor: text(raw.data.mapping_start.anchor), tag: text(raw.data.mapping_start.tag))
        case YAML_MAPPING_END_EVENT: .mappingEnd
        default: nil
        }
    }

    private func scalar(_ raw: yaml_event_t) -> YAMLEvent {
        let scalar = raw.data.scalar
        let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
        let value = mask.original(String(decoding: bytes, as: UTF8.self))
        // `key: |` ends with a line feed that nobody means.
        let isBlock = scalar.style == YAML_LITERAL_SCALAR_STYLE || scalar.style == YAML_FOLDED_SCALAR_STYLE
        return .scalar(
            isBlock ? InputText.value(value) : value,
            isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE,
            anchor: text(scalar.anchor),
            tag: text(scalar.tag)
        )
    }

    private func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        pointer.map { String(cString: $0) }
    }
}
