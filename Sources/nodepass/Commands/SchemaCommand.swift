import ArgumentParser
import Config

/// `nodepass schema`: the manifest's JSON Schema, for editors and other programs.
struct SchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Print the manifest's JSON Schema."
    )

    func run() {
        Output.line(ManifestSchema.jsonSchema.prettyText)
    }
}
