/// One way in for users, and the tunnel or the pair of tunnels behind it, as the manifest declares
/// them.
struct LiveLane: Sendable {
    enum Kind: Sendable {
        case single
        case datagrams
        /// Two ends in one daemon; users come in at the server, or at the client.
        case reverse
        case forward
    }

    let number: Int
    let kind: Kind
    /// The port users connect to.
    var entry: Int
    /// The tunnel address of a pair.
    var meeting: Int
    /// Which echo server it leads to.
    var server: Int
    var key = 0
    var isEncrypted = false
    var carriesEverything = false
    var rate = 0
    var connections = 65_536
    var drain = 30
    var log = "info"
    var access = "{}"
    var alias = ""
    /// The edit that changed it last, as a tag.
    var edit = 0
    var isRunning = true
    var isDeclared = true

    var isOpen: Bool { isRunning && isDeclared }
    var isPair: Bool { kind == .reverse || kind == .forward }

    /// Of its tunnels in the manifest.
    var names: [String] { isPair ? ["lane-\(number)-server", "lane-\(number)-client"] : ["lane-\(number)"] }

    /// Lines of the manifest; `servers` are the ports of the echo servers of its kind.
    func text(servers: [Int]) -> String {
        guard isDeclared else { return "" }
        let (users, target) = ("127.0.0.1:\(entry)", "127.0.0.1:\(servers[server])")
        let meeting = "tunnel: '127.0.0.1:\(meeting)', key: key-\(key)"
        let tls = isEncrypted ? "self-signed" : "off"
        let ends =
            switch kind {
            case .single, .datagrams:
                ["role: client, mode: single, tunnel: '\(users)', target: '\(target)'"]
            case .reverse:
                [
                    "role: server, mode: reverse, \(meeting), target: '\(users)', tls: \(tls)",
                    "role: client, mode: dual, \(meeting), target: '\(target)', pool: {min: 4}",
                ]
            case .forward:
                [
                    "role: server, mode: forward, \(meeting), target: '\(target)', tls: \(tls)",
                    "role: client, mode: dual, \(meeting), target: '\(users)', pool: {min: 4}",
                ]
            }
        return zip(names, ends).map { "  \($0): {\($1), \(rest)},\n" }.joined()
    }

    private var rest: String {
        let own = kind == .datagrams ? "udp" : "tcp"
        return [
            "protocols: [\(carriesEverything ? "tcp, udp" : own)]",
            "limits: {rate: \(rate), connections: \(connections)}",
            "drain: \(drain)s",
            "log: \(log)",
            "access: \(access)",
            "alias: 'alias \(alias)'",
            "tags: {edit: '\(edit)'}",
            "state: \(isRunning ? "running" : "stopped")",
        ].joined(separator: ", ")
    }
}

/// What an edit may do to the users of a lane; whatever it does not name must not happen.
struct LiveEffects: OptionSet, Sendable {
    let rawValue: Int

    /// New connections reach another server.
    static let retargets = LiveEffects(rawValue: 1)
    /// New connections wait for a new session, and may be cut with the old one.
    static let cuts = LiveEffects(rawValue: 2)
    /// The address is given up: new connections may be refused.
    static let refuses = LiveEffects(rawValue: 4)
    /// Established connections belong to the past and drain.
    static let drains = LiveEffects(rawValue: 8)
    /// Another lane takes the address: who connects meanwhile may be on either.
    static let handsOver = LiveEffects(rawValue: 16)
}
