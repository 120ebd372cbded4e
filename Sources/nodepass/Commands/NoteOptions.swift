import ArgumentParser
import Config

/// Why someone does it, for those who read it later.
struct NoteOptions: ParsableArguments {
    @Option(name: .customLong("reason"), help: "Why, such as INC-42: plan, describe and events show it.")
    var note: String?

    /// For the body of a request.
    var members: [JSONValue.Member] { note.map { [JSONValue.Member("note", .string($0))] } ?? [] }

    /// A request without a body has it in its query, after these parameters.
    func query(_ others: [QueryParameter] = []) -> String {
        let parameters = others + (note.map { [QueryParameter(name: "note", value: $0)] } ?? [])
        return parameters.isEmpty ? "" : "?" + QueryString(parameters).sortedText
    }
}
