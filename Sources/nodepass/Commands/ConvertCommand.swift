import ArgumentParser
import Config

/// `nodepass convert`: manifests from what other programs are configured with.
struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Print a manifest for the configuration of another program.",
        discussion: """
            Each tunnel has a comment that says where it comes from. What no key of a manifest can say is listed at the \
            top, with what to do instead, and on standard error. Nothing is written to any file.
            """,
        subcommands: [
            ConvertFRP.self, ConvertRathole.self, ConvertHAProxy.self, ConvertSSH.self, ConvertSocat.self,
            ConvertNodePass.self, ConvertIptables.self,
        ]
    )

    /// The longest input.
    static let limitBytes = 1024 * 1024

    static func read(_ file: String) throws -> (name: String, text: String) {
        if file == "-" { return ("standard input", try StandardInput.text()) }
        do throws(TextFile.ReadError) {
            return (file, try TextFile.read(file, limitBytes: limitBytes))
        } catch {
            throw CommandFailure(message: PlainText.line("\(file) cannot be read: \(error.problem)"))
        }
    }

    /// Prints what comes of the conversion; nothing where the input cannot be read.
    static func report(
        from sources: [String],
        by command: String,
        _ convert: () throws(ConversionProblem) -> Conversion
    ) throws {
        let conversion: Conversion
        do throws(ConversionProblem) {
            conversion = try convert()
        } catch {
            throw CommandFailure(message: PlainText.line(error.description))
        }
        let text = conversion.manifest(of: sources, by: "nodepass convert \(command)")
        if let problem = problem(of: text) {
            throw CommandFailure(message: "what came of it is no valid manifest: \(problem)")
        }
        Output.raw(text)
        guard !conversion.left.isEmpty else { return }
        let count = conversion.left.count
        Output.error("\(count) \(count == 1 ? "setting is" : "settings are") not taken over:")
        for left in conversion.left {
            Output.error(PlainText.line("  \(left.source): \(left.setting): \(left.instead)"))
        }
    }

    /// The first error that `nodepass validate` would show, whatever the variables are that it refers to.
    private static func problem(of manifest: String) -> String? {
        var environment: [String: String] = [:]
        for part in manifest.split(separator: "${env:").dropFirst() {
            environment[String(part.prefix { $0 != "}" })] = "a-value-of-the-environment"
        }
        let reader = ManifestReader(environment: environment, workingDirectory: "/")
        let reading = reader.read(text: manifest, file: "the manifest", allowsIncludes: false)
        return reading.diagnostics.first { $0.severity == .error }?.description
    }
}

extension Conversion.End: ExpressibleByArgument {}

private struct ConvertFRP: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "frp",
        abstract: "frpc.toml, and frps.toml beside it.",
        discussion: """
            frps learns of the proxies from its clients, so that the clients' files make the manifests of both ends; \
            frps.toml adds the server's address and certificate. Each proxy gets a port between the ends, in order \
            from the one after frp's own.
            """
    )

    @Argument(help: "frpc.toml files, and frps.toml.")
    var files: [String]

    @Option(help: "Whose manifest: client or server.")
    var end = Conversion.End.client

    @Option(help: "First port between the ends.")
    var firstPort: UInt16?

    func run() throws {
        let texts = try files.map(ConvertCommand.read)
        try ConvertCommand.report(from: files, by: "frp --end \(end.rawValue)") { () throws(ConversionProblem) in
            try FRPConversion.convert(texts, for: end, firstPort: firstPort)
        }
    }
}

private struct ConvertRathole: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rathole",
        abstract: "A rathole configuration, of either end.",
        discussion:
            "Each service gets a port between the ends, by the services' names, from the one after rathole's own."
    )

    @Argument(help: "The TOML file.")
    var file: String

    @Option(help: "First port between the ends.")
    var firstPort: UInt16?

    func run() throws {
        let text = try ConvertCommand.read(file)
        try ConvertCommand.report(from: [file], by: "rathole") { () throws(ConversionProblem) in
            try RatholeConversion.convert(text, firstPort: firstPort)
        }
    }
}

private struct ConvertHAProxy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "haproxy",
        abstract: "The frontends of an HAProxy configuration that relay TCP."
    )

    @Argument(help: "haproxy.cfg.")
    var file: String

    func run() throws {
        let text = try ConvertCommand.read(file)
        try ConvertCommand.report(from: [file], by: "haproxy") { () throws(ConversionProblem) in
            try HAProxyConversion.convert(text)
        }
    }
}

private struct ConvertSSH: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ssh",
        abstract: "A command line of ssh with -L or -R.",
        discussion: "The server of each tunnel runs on the host that ssh connects to; --end server prints its manifest."
    )

    @Argument(help: "The command line, as one argument.")
    var command: String

    @Option(help: "Whose manifest: client or server.")
    var end = Conversion.End.client

    @Option(help: "First port between the ends.")
    var firstPort: UInt16 = 10101

    func run() throws {
        try ConvertCommand.report(from: [command], by: "ssh --end \(end.rawValue)") { () throws(ConversionProblem) in
            try CommandLineConversion.ssh(command, for: end, firstPort: firstPort)
        }
    }
}

private struct ConvertSocat: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "socat",
        abstract: "A command line of socat that listens on a port and relays to another."
    )

    @Argument(help: "The command line, as one argument.")
    var command: String

    func run() throws {
        try ConvertCommand.report(from: [command], by: "socat") { () throws(ConversionProblem) in
            try CommandLineConversion.socat(command)
        }
    }
}

private struct ConvertNodePass: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nodepass",
        abstract: "NodePass's URLs, or files with them, such as systemd units.",
        discussion: "For the instances of a master, with their ids and its API key, see `nodepass import`."
    )

    @Argument(help: "URLs, and files that have them.")
    var inputs: [String]

    func run() throws {
        var conversion = Conversion()
        var texts: [(name: String, text: String)?] = []
        for input in inputs {
            texts.append(NodePassConversion.isNodePass(input) ? nil : try ConvertCommand.read(input))
        }
        let sources = inputs.map { NodePassConversion.isNodePass($0) ? TunnelURL.masked($0) : $0 }
        try ConvertCommand.report(from: sources, by: "nodepass") { () throws(ConversionProblem) in
            var found: [NodePassConversion.Input] = []
            for (index, input) in inputs.enumerated() {
                if let file = texts[index] {
                    found += try NodePassConversion.inputs(in: file.text, file: file.name, &conversion)
                } else {
                    found.append(NodePassConversion.Input(text: input, source: "argument \(index + 1)"))
                }
            }
            try NodePassConversion.convert(found, into: &conversion)
            return conversion
        }
    }
}

private struct ConvertIptables: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "iptables",
        abstract: "The DNAT and REDIRECT rules that iptables-save prints."
    )

    @Argument(help: "The rules' file; - for standard input.")
    var file: String

    func run() throws {
        let text = try ConvertCommand.read(file)
        try ConvertCommand.report(from: [file], by: "iptables") { () throws(ConversionProblem) in
            try IptablesConversion.convert(text)
        }
    }
}
