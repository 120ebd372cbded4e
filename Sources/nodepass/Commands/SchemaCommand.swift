import ArgumentParser
import Config

/// `nodepass schema`: what editors and other programs need to know of the manifest.
struct SchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Print the manifest's JSON Schema."
    )

    func run() {
        Output.line(ManifestSchema.jsonSchema.prettyText)
    }
}
