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

    @OptionGroup var why: NoteOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if let problem = TunnelScheme.problem(url) { throw ValidationError(problem) }
        if let alias { try LabelText.check(alias, "--alias") }
    }

    func run() async throws {
        var members = [JSONValue.Member("url", .string(url))]
        members += why.members
        if let alias { members.append(JSONValue.Member("alias", .string(alias))) }
        Output.line(try await connection.client.create(.object(members)).id)
    }
}

/// `nodepass export`: the live state as a manifest.
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Print the state as a manifest; applying it changes nothing.",
        discussion: "An override is a comment beside what the manifest says, so that it does not become permanent."
    )

    @Flag(help: "Write what overrides have made of tunnels, as if they were to last.")
    var live = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        Output.raw(try await connection.client.text("/export" + (live ? "?live=true" : "")))
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

    func validate() throws {
        do throws(Endpoint.ParseError) {
            _ = try Endpoint(target)
        } catch {
            throw ValidationError(PlainText.line("'\(target)' is not HOST:PORT: \(error.problem)"))
        }
    }

    func run() async throws {
        let path = "/tcping?target=" + PercentCoding.encode(target, keeping: "-._~:[]")
        let ping = try await connection.client.get(path, as: PingView.self)
        guard ping.connected else {
            throw CommandFailure(message: "\(target): \(Self.words(ping.error ?? "not reachable"))")
        }
        Output.line("\(target): connected in \(ping.latency) ms")
    }

    /// Without what NodePass's answer says of the call: `dial tcp 127.0.0.1:1: connect: `.
    private static func words(_ error: String) -> String {
        let parts = error.split(separator: ": ")
        guard error.hasPrefix("dial tcp"), let last = parts.last else { return error }
        return String(last).replacing("i/o timeout", with: "no answer in time")
    }
}
