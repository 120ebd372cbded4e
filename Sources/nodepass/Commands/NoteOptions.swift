import ArgumentParser
import Config

/// Why someone does it, for those who read it later.
struct NoteOptions: ParsableArguments {
    @Option(name: .customLong("reason"), help: "Why, such as INC-42: plan, describe and events show it.")
    var note: String?

    func validate() throws {
        if let note { try LabelText.check(note, "--reason") }
    }

    /// For the body of a request.
    var members: [JSONValue.Member] { note.map { [JSONValue.Member("note", .string($0))] } ?? [] }

    /// A request without a body has it in its query, after these parameters.
    func query(_ others: [QueryParameter] = []) -> String {
        let parameters = others + (note.map { [QueryParameter(name: "note", value: $0)] } ?? [])
        return parameters.isEmpty ? "" : "?" + QueryString(parameters).sortedText
    }
}

/// Texts of options that a tunnel keeps.
enum LabelText {
    static func check(_ text: String, _ option: String) throws {
        guard !TunnelLabels.fits(text) else { return }
        let limit = TunnelLabels.textLimitBytes
        throw ValidationError("\(option): \(text.utf8.count) bytes are too many; the limit is \(limit)")
    }
}

/// Numbers of options that have a limit.
enum CountLimit {
    static func check(_ count: Int?, _ range: ClosedRange<Int>, _ option: String) throws {
        guard let count, !range.contains(count) else { return }
        throw ValidationError("\(option) takes a number from \(range.lowerBound) to \(range.upperBound)")
    }
}
