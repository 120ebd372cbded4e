import API
import ArgumentParser
import Config

/// `nodepass create URL`: a tunnel that no manifest declares.
struct CreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Create a tunnel that no manifest declares, and run it; `nodepass export` prints it as a declaration."
    )

    @Argument(help: "server://… or client://…")
    var url: String

    @Option(help: "The name that lists and dashboards show.")
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
        abstract: "Print the live state as a manifest; applying it changes nothing."
    )

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        Output.raw(try await connection.client.text("/export"))
    }
}

/// `nodepass ping HOST:PORT`: how long the daemon takes to connect to an address.
struct PingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ping",
        abstract: "Measure how long the daemon takes to connect to a TCP address."
    )

    @Argument(help: "HOST:PORT")
    var target: String

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let answer = try await connection.client.get(
            "/tcping?target=" + PercentCoding.encode(target, keeping: "-._~:[]")
        )
        guard answer["connected"] == .bool(true) else {
            throw CommandFailure(message: "\(target): \(answer["error"]?.stringValue ?? "not reachable")")
        }
        Output.line("\(target): connected in \(answer["latency"]?.intValue ?? 0) ms")
    }
}
