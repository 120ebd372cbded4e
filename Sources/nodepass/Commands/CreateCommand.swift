import API
import ArgumentParser
import Config

/// `nodepass create URL`: a tunnel of the API, beside the manifest.
struct CreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Create a tunnel beside the manifest and run it; `nodepass export` takes it into one."
    )

    @Argument(help: "server://… or client://…")
    var url: String

    @Option(help: "The name it is shown by.")
    var alias: String?

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        var members = [JSONValue.Member("url", .string(url))]
        if let alias { members.append(JSONValue.Member("alias", .string(alias))) }
        let row = try await connection.client.post("/instances", JSONValue.object(members).compactText)
        Output.line(InstanceText.id(row))
    }
}

/// `nodepass export`: the live state as a manifest.
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Print the live state as a manifest; starting with it changes nothing."
    )

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        Output.raw(try await connection.client.text("/export"))
    }
}

/// `nodepass ping HOST:PORT`: how long a connection from the daemon takes.
struct PingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ping",
        abstract: "Have the daemon connect to a TCP address and say how long that took."
    )

    @Argument(help: "HOST:PORT")
    var target: String

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let answer = try await connection.client.get(
            "/tcping?target=" + PercentCoding.encode(target, keeping: "-._~:[]")
        )
        guard answer["connected"] == .bool(true) else {
            throw CommandFailure(message: "\(target): \(answer["error"]?.stringValue ?? "not reached")")
        }
        Output.line("\(target): connected in \(answer["latency"]?.intValue ?? 0) ms")
    }
}
