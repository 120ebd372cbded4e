import Config

/// Single-end tunnels for the DNAT and REDIRECT rules of an `iptables-save` (iptables-extensions(8)).
struct IptablesConversion {
    private typealias Line = SourceLines.Line

    private var conversion = Conversion()
    /// Rules of other tables, which are counted and not listed.
    private var others: [String: (count: Int, source: String)] = [:]

    /// A range of ports becomes a tunnel for each, up to this many.
    private static let rangeLimit = 100

    static func convert(_ file: (name: String, text: String)) throws(ConversionProblem) -> Conversion {
        var new = IptablesConversion()
        var table = ""
        for line in try SourceLines.read(file.text, file: file.name, comment: "#") {
            let first = line.words[0]
            if first.hasPrefix("*") {
                table = String(first.dropFirst())
            } else if first.hasPrefix(":") || first == "COMMIT" {
                continue
            } else if first.hasPrefix("[") || first == "-A" {
                guard !table.isEmpty else { throw ConversionProblem(line.location, "a rule comes before any *table") }
                try new.read(line.words.drop { $0 != "-A" }, line, in: table)
            } else {
                throw ConversionProblem(line.location, "'\(first)' is nothing that iptables-save writes")
            }
        }
        guard !table.isEmpty else { throw ConversionProblem(text: "\(file.name): there is no *table in it") }
        for (table, rules) in new.others.sorted(by: { $0.key < $1.key }) {
            new.conversion.leave(
                "\(rules.count) \(rules.count == 1 ? "rule" : "rules") of the table \(table)",
                at: rules.source,
                instead: "they stay; `access` of a tunnel is about its users alone"
            )
        }
        return new.conversion
    }

    /// What one rule matches and does.
    private struct Rule {
        var protocols: TransportProtocol?
        var ports: ClosedRange<UInt16>?
        var destination = ""
        var source: IPNetwork?
        var target: String?
        var to: String?
        var conditions: [String] = []
    }

    private mutating func read(_ words: ArraySlice<String>, _ line: Line, in table: String) throws(ConversionProblem) {
        let rule = try rule(words, line)
        let isForwarding = rule.target == "DNAT" || rule.target == "REDIRECT"
        guard table == "nat", isForwarding else {
            guard table == "nat", let target = rule.target, target == "MASQUERADE" || target == "SNAT" else {
                others[table, default: (0, line.location.fileAndLine)].count += 1
                return
            }
            return leave(line, "not needed: the daemon makes the connections to the target itself")
        }
        guard let carried = rule.protocols, let ports = rule.ports, let to = rule.to else {
            return leave(line, "a tunnel has one protocol, a port and a target")
        }
        if !rule.conditions.isEmpty {
            leave(line, "the tunnel does without: \(rule.conditions.joined(separator: " "))")
        }
        guard ports.count <= Self.rangeLimit else {
            return leave(line, "a tunnel for each of \(ports.count) ports: write those that are used")
        }
        for port in ports { try add(port, to, carried, rule, line) }
    }

    private mutating func add(
        _ port: UInt16,
        _ to: String,
        _ carried: TransportProtocol,
        _ rule: Rule,
        _ line: Line
    ) throws(ConversionProblem) {
        guard let target = try target(to, port, rule, line) else {
            return leave(line, "a tunnel goes to one address and port for each of its own")
        }
        var spec = TunnelSpec(
            role: .client,
            tunnel: Endpoint(host: rule.destination, port: port),
            targets: [target]
        )
        spec.mode = .one
        spec.protocols = [carried]
        if let source = rule.source { spec.access.allow = [source] }
        try conversion.add(
            Conversion.Tunnel(
                name: "port-\(port)",
                content: TunnelContent(spec: spec),
                source: "\(line.location.fileAndLine): \(line.text)",
                notes: ["Delete the rule before the tunnel starts: it takes the connections first."]
            )
        )
    }

    private func target(
        _ text: String,
        _ port: UInt16,
        _ rule: Rule,
        _ line: Line
    ) throws(ConversionProblem) -> Endpoint? {
        let host: String
        var portText = String(port)
        if rule.target == "REDIRECT" {
            (host, portText) = ("127.0.0.1", text)
        } else if text.hasPrefix("[") || text.contains(":") {
            guard let colon = text.lastIndex(of: ":"), text[colon...].count > 1, !text.hasSuffix("]") else {
                return nil
            }
            host = String(text[..<colon].filter { $0 != "[" && $0 != "]" })
            portText = String(text[text.index(after: colon)...])
        } else {
            host = text
        }
        guard IPAddress(host) != nil, let number = UInt16(portText) else { return nil }
        return try SettingsTable.address(Endpoint(host: host, port: number).description, at: line.location)
    }

    private func rule(_ words: ArraySlice<String>, _ line: Line) throws(ConversionProblem) -> Rule {
        var rule = Rule()
        var rest = words.dropFirst(2)
        var isNegated = false
        while let word = rest.popFirst() {
            if word == "!" {
                isNegated = true
                continue
            }
            let value = rest.first ?? ""
            switch word {
            case "-p" where !isNegated:
                rule.protocols = TransportProtocol(rawValue: value)
                rest = rest.dropFirst()
            case "-m": rest = rest.dropFirst()
            case "--dport" where !isNegated:
                let ends = value.split(separator: ":").compactMap { UInt16($0) }
                guard let first = ends.first, let last = ends.last, first <= last else {
                    throw ConversionProblem(line.location, "'\(value)' is no port")
                }
                rule.ports = first...last
                rest = rest.dropFirst()
            case "-d" where !isNegated:
                let address = value.hasSuffix("/32") ? String(value.dropLast(3)) : value
                if IPAddress(address) != nil { rule.destination = address } else { rule.conditions += [word, value] }
                rest = rest.dropFirst()
            case "-s" where !isNegated:
                rule.source = IPNetwork(value)
                if rule.source == nil { rule.conditions += [word, value] }
                rest = rest.dropFirst()
            case "-j":
                rule.target = value
                rest = rest.dropFirst()
            case "--to-destination", "--to-ports":
                rule.to = value
                rest = rest.dropFirst()
            case "--comment": rest = rest.dropFirst()
            default:
                rule.conditions += (isNegated ? ["!"] : []) + [word]
                while let next = rest.first, !next.hasPrefix("-"), next != "!" {
                    rule.conditions.append(next)
                    rest = rest.dropFirst()
                }
            }
            isNegated = false
        }
        return rule
    }

    private mutating func leave(_ line: Line, _ instead: String) {
        conversion.leave(line.text, at: line.location.fileAndLine, instead: instead)
    }
}
