import Config

/// Tunnels for command lines of `ssh` and `socat` that forward ports.
enum CommandLineConversion {
    // MARK: ssh

    /// What `ssh -L` and `ssh -R` forward, as tunnels with a server at the host they go to
    /// (https://man.openbsd.org/ssh); `end` says which end's manifest is wanted.
    static func ssh(
        _ command: String,
        for end: Conversion.End,
        firstPort: UInt16
    ) throws(ConversionProblem) -> Conversion {
        var conversion = Conversion()
        var forwards: [(flag: String, text: String)] = []
        var host: String?
        var words = try words(of: command, program: "ssh")[...]
        while let word = words.popFirst() {
            guard word.hasPrefix("-"), word.count > 1 else {
                if host == nil { host = word } else { conversion.leave(word, at: "ssh", instead: "no command is run") }
                continue
            }
            // Letters without a value may stand together, before one with a value.
            var letters = word.dropFirst()
            while let letter = letters.popFirst() {
                guard valued.contains(letter) else {
                    if let advice = advice[letter] { conversion.leave("-\(letter)", at: "ssh", instead: advice) }
                    continue
                }
                guard let value = letters.isEmpty ? words.popFirst() : String(letters) else {
                    throw ConversionProblem(text: "ssh: -\(letter) has no value")
                }
                letters = ""
                if letter == "L" || letter == "R" {
                    forwards.append(("-\(letter)", value))
                } else {
                    let known = letter == "o" ? option(value) : advice[letter]
                    conversion.leave("-\(letter) \(value)", at: "ssh", instead: known ?? "no key of a tunnel says this")
                }
            }
        }
        guard let host else { throw ConversionProblem(text: "ssh: there is no host in '\(command)'") }
        let server = String(host.split(separator: "@").last ?? "")
        var port = Int(firstPort)
        for (flag, text) in forwards {
            guard let listen = try forward(text, flag) else {
                conversion.leave(
                    "\(flag) \(text)",
                    at: "ssh",
                    instead: "a tunnel has addresses with ports, no sockets in files"
                )
                continue
            }
            guard let number = UInt16(exactly: port) else {
                throw ConversionProblem(text: "ssh: no port is left for \(flag) \(text); begin lower with --first-port")
            }
            port += 1
            let isReverse = flag == "-R"
            // Users come in where ssh listens: here with -L, there with -R.
            let isEntry = (end == .client) != isReverse
            var spec = TunnelSpec(
                role: end == .client ? .client : .server,
                tunnel: Endpoint(host: end == .client ? server : "", port: number),
                targets: [isEntry ? listen.users : listen.target]
            )
            spec.mode = end == .client ? .two : isReverse ? .one : .two
            spec.protocols = [.tcp]
            spec.tls = .selfSigned
            spec.key = Secret("from the environment")
            try conversion.add(
                Conversion.Tunnel(
                    name: "port-\(listen.users.port)",
                    content: TunnelContent(spec: spec),
                    source: "ssh \(flag) \(text) \(host)",
                    notes: [
                        "NODEPASS_KEY is the secret of both ends: `nodepass key generate` makes one.",
                        end == .client
                            ? "On \(server): the manifest of `nodepass convert ssh --end server`."
                            : "The client's end reaches port \(number): open it in the firewall.",
                    ],
                    references: ["key": "${env:NODEPASS_KEY}"]
                )
            )
        }
        if forwards.isEmpty { throw ConversionProblem(text: "ssh: there is neither -L nor -R in '\(command)'") }
        return conversion
    }

    /// `[bind:]port:host:hostport`; nil where it has a socket's path for an address.
    private static func forward(
        _ text: String,
        _ flag: String
    ) throws(ConversionProblem) -> (users: Endpoint, target: Endpoint)? {
        guard !text.contains("/") else { return nil }
        var parts: [String] = []
        var part = ""
        var isInBrackets = false
        for character in text {
            switch character {
            case "[": isInBrackets = true
            case "]": isInBrackets = false
            case ":" where !isInBrackets:
                parts.append(part)
                part = ""
            default: part.append(character)
            }
        }
        parts.append(part)
        guard parts.count == 3 || parts.count == 4, let port = UInt16(parts[parts.count - 3]),
            let targetPort = UInt16(parts[parts.count - 1])
        else {
            throw ConversionProblem(text: "ssh: \(flag) \(text) is not [bind:]port:host:hostport")
        }
        let bind = parts.count == 4 ? parts[0] : "127.0.0.1"
        let users = try address(bind == "*" ? "" : bind, port)
        return (users, try address(parts[parts.count - 2], targetPort))
    }

    /// What follows is checked as in a manifest.
    private static func address(_ host: String, _ port: UInt16) throws(ConversionProblem) -> Endpoint {
        let text = Endpoint(host: host, port: port).description
        do throws(Endpoint.ParseError) {
            return try Endpoint(text)
        } catch {
            throw ConversionProblem(text: error.problem)
        }
    }

    /// ssh's options that have a value.
    private static let valued: Set<Character> = Set("BbcDEeFIiJLlmOoPpQRSWw")

    private static func option(_ text: String) -> String? {
        let name = text.prefix { $0 != "=" && $0 != " " }.lowercased()
        return [
            "serveraliveinterval": "not needed: the ends ask each other in each report interval",
            "serveralivecountmax": "not needed: the ends ask each other in each report interval",
            "exitonforwardfailure": "not needed: `nodepass status` names what does not serve",
            "stricthostkeychecking": "not needed: the key proves both ends",
            "tcpkeepalive": "`timeouts.keepalive`",
        ][name]
    }

    private static let advice: [Character: String] = [
        "D": "a SOCKS server on the other side, and a tunnel to it",
        "J": "a tunnel to the machine in between, or `via` a proxy",
        "C": "nothing is compressed",
        "i": "the tunnel's key proves both ends",
        "l": "the tunnel's key proves both ends",
        "p": "the tunnel has a port of its own",
        "F": "nothing of ssh is used",
        "w": "no network devices are made",
        "X": "no displays are forwarded",
        "Y": "no displays are forwarded",
        "A": "no agent is forwarded",
    ]

    // MARK: socat

    /// A single-end tunnel for a socat that listens and relays (http://www.dest-unreach.org/socat/doc/socat.html).
    static func socat(_ command: String) throws(ConversionProblem) -> Conversion {
        var conversion = Conversion()
        var addresses: [String] = []
        var readTimeout = Duration.zero
        var words = try words(of: command, program: "socat")[...]
        while let word = words.popFirst() {
            guard word.hasPrefix("-"), word != "-" else {
                addresses.append(word)
                continue
            }
            if word.hasPrefix("-T") {
                guard
                    let seconds = (word.count > 2 ? String(word.dropFirst(2)) : words.popFirst()).flatMap(Double.init),
                    seconds >= 0, seconds < 1_000_000
                else { throw ConversionProblem(text: "socat: -T is followed by seconds") }
                readTimeout = .milliseconds(Int(seconds * 1000))
            } else {
                conversion.leave(word, at: "socat", instead: "no key of a tunnel says this")
            }
        }
        guard addresses.count == 2 else {
            throw ConversionProblem(
                text: "socat: two addresses are expected, as in TCP-LISTEN:8080,fork TCP:10.0.0.5:80"
            )
        }
        let (from, to) = (socatAddress(addresses[0]), socatAddress(addresses[1]))
        let listeners = [
            "TCP-LISTEN", "TCP-L", "TCP4-LISTEN", "TCP4-L", "TCP6-LISTEN", "TCP6-L", "UDP-LISTEN", "UDP-L",
            "UDP4-LISTEN", "UDP6-LISTEN", "UDP-RECVFROM", "UDP4-RECVFROM", "UDP6-RECVFROM",
        ]
        let targets = [
            "TCP", "TCP4", "TCP6", "TCP-CONNECT", "TCP4-CONNECT", "TCP6-CONNECT", "UDP", "UDP4", "UDP6",
            "UDP-CONNECT", "UDP4-CONNECT", "UDP6-CONNECT", "UDP-SENDTO", "UDP4-SENDTO", "UDP6-SENDTO",
        ]
        guard listeners.contains(from.kind), targets.contains(to.kind), from.kind.prefix(3) == to.kind.prefix(3) else {
            throw ConversionProblem(
                text:
                    "socat: '\(addresses[0]) \(addresses[1])' is no relay from one port to another of the same protocol"
            )
        }
        guard let port = from.parameters.first.flatMap({ UInt16($0) }) else {
            throw ConversionProblem(text: "socat: '\(addresses[0])' has no port; names of ports are not looked up")
        }
        guard to.parameters.count == 2, let targetPort = UInt16(to.parameters[1]) else {
            throw ConversionProblem(text: "socat: '\(addresses[1])' is not KIND:host:port")
        }
        let host = to.parameters[0].filter { $0 != "[" && $0 != "]" }
        var spec = TunnelSpec(
            role: .client,
            tunnel: Endpoint(host: "", port: port),
            targets: [try address(host, targetPort)]
        )
        spec.mode = .one
        spec.protocols = [from.kind.hasPrefix("TCP") ? .tcp : .udp]
        spec.readTimeout = readTimeout
        for (name, value) in from.options {
            switch name {
            case "fork", "reuseaddr", "so-reuseaddr", "reuseport", "keepalive", "nodelay", "backlog": break
            case "bind": spec.tunnel = try address(value.filter { $0 != "[" && $0 != "]" }, port)
            case "max-children":
                guard let number = Int(value), number >= 0 else {
                    throw ConversionProblem(text: "socat: max-children is followed by a number")
                }
                spec.connections = number
            case "range":
                guard let network = IPNetwork(value) else {
                    conversion.leave("range=\(value)", at: "socat", instead: "`access: {allow: [10.0.0.0/8]}`")
                    continue
                }
                spec.access.allow.append(network)
            default:
                conversion.leave(
                    ([name, value].filter { !$0.isEmpty }).joined(separator: "="),
                    at: "socat",
                    instead: "no key of a tunnel says this"
                )
            }
        }
        for (name, value) in to.options {
            let text = ([name, value].filter { !$0.isEmpty }).joined(separator: "=")
            if name == "bind" {
                spec.dialFrom = value
            } else {
                conversion.leave(text, at: "socat", instead: "no key of a tunnel says this")
            }
        }
        try conversion.add(
            Conversion.Tunnel(
                name: "port-\(port)",
                content: TunnelContent(spec: spec),
                source: "socat \(addresses.joined(separator: " "))"
            )
        )
        return conversion
    }

    private static func socatAddress(
        _ text: String
    ) -> (kind: String, parameters: [String], options: [(String, String)]) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let head = parts[0]
        let kind = head.prefix { $0 != ":" }
        var parameters: [String] = []
        var isInBrackets = false
        var parameter = ""
        for character in head.dropFirst(kind.count + 1) {
            if character == "[" { isInBrackets = true }
            if character == "]" { isInBrackets = false }
            if character == ":", !isInBrackets {
                parameters.append(parameter)
                parameter = ""
            } else {
                parameter.append(character)
            }
        }
        parameters.append(parameter)
        let options = parts.dropFirst().map { option in
            let name = option.prefix { $0 != "=" }
            return (name.lowercased(), String(option.dropFirst(name.count + 1)))
        }
        return (kind.uppercased(), parameters, options)
    }

    /// The words behind the program's name, which may be left out and may have a path or `sudo` before it.
    private static func words(of command: String, program: String) throws(ConversionProblem) -> [String] {
        let place = SourceLocation(file: program, line: 1, column: 1)
        var words = try ShellWords.split(command, at: place)[...]
        if words.first == "sudo" || words.first == "autossh" { words = words.dropFirst() }
        if let first = words.first, first.split(separator: "/").last.map(String.init) == program {
            words = words.dropFirst()
        }
        return Array(words)
    }
}
