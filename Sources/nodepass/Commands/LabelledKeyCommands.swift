import API
import ArgumentParser
import Config
import Reconciler

/// `nodepass key create`: a labelled key with a role.
struct CreateKeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a labelled key and print it; it is stored as a digest, so this is the only time."
    )

    @Option(help: "Its name in lists and events: letters, digits and -_.")
    var label: String

    @Option(help: "metrics reads figures, read reads all but secrets, admin does everything.")
    var role: String

    @Option(name: .customLong("for"), help: "How long it lasts, such as 30d; without it until it is revoked.")
    var lifetime: String?

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard APIRole(rawValue: role) == nil else { return }
        let known = APIRole.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("--role: '\(role)' is not one of \(known)")
    }

    func run() async throws {
        var members: [JSONValue.Member] = [.init("label", .string(label)), .init("role", .string(role))]
        if let lifetime {
            members.append(.init("ttl", .string(GoDuration.text(try DurationText.positive(lifetime, "--for")))))
        }
        let made = try await connection.client.post("/keys", JSONValue.object(members).compactText, as: APIKeyView.self)
        Output.line(made.key ?? "")
    }
}

/// `nodepass key list`.
struct ListKeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the labelled keys, not the keys themselves."
    )

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let keys = try await connection.client.get("/keys", as: APIKeysView.self).keys
        let cells = keys.map { key in
            [key.label, key.role, InstanceText.time(key.created), key.expires.map(InstanceText.time) ?? "-"]
        }
        Output.line(TextTable.aligned([["LABEL", "ROLE", "CREATED", "EXPIRES"]] + cells))
    }
}

/// `nodepass key revoke LABEL`.
struct RevokeKeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Revoke a labelled key: it stops working at once."
    )

    @Argument(help: "Its label.")
    var label: String

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.client.delete("/keys/" + PercentCoding.encode(label, keeping: "-._"))
        Output.line(PlainText.line("\(label): revoked"))
    }
}
