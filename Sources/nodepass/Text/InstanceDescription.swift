import API
import Config
import Reconciler

/// One tunnel as text: its declaration, its state and its history; its key is masked.
enum InstanceDescription {
    static func text(_ row: InstanceRow) -> String {
        aligned(
            identity(row) + state(row) + figures(row) + targets(row) + (row.certificate.map(certificate) ?? [])
                + history(row) + events(row)
        )
    }

    /// A declared tunnel that a request has deleted.
    static func text(_ tunnel: WireObject<PlanView.Overridden>) -> String {
        let end = tunnel.until.map { "until \(time($0))" } ?? "until released"
        return aligned([
            Line("Name", tunnel.name), Line("Id", tunnel.id),
            Line("Origin", "manifest" + (tunnel.source.map { ", " + $0 } ?? "")),
            Line("Phase", "deleted since \(time(tunnel.since)), \(end)"),
            Line("", "by " + InstanceText.author(tunnel.by, note: tunnel.note)),
            Line("", "`nodepass release \(tunnel.name)` brings it back"),
        ])
    }

    private static func aligned(_ lines: [Line]) -> String {
        let width = (lines.map(\.label.count).max() ?? 0) + 2
        return lines.map { line in
            let label = line.label.isEmpty ? "" : line.label + ":"
            return label + String(repeating: " ", count: width - label.count) + line.value
        }.joined(separator: "\n")
    }

    /// A line without a label continues the one above it.
    private struct Line {
        let label: String
        let value: String

        init(_ label: String, _ value: String) {
            self.label = label
            // Aliases, messages and texts of peers are part of it.
            self.value = PlainText.line(value)
        }
    }

    // MARK: Declaration

    private static func identity(_ row: InstanceRow) -> [Line] {
        var lines: [Line] = []
        if let name = row.name, !name.isEmpty { lines.append(Line("Name", name)) }
        lines.append(Line("Id", row.id))
        if !row.alias.isEmpty, row.alias != row.name { lines.append(Line("Alias", row.alias)) }
        lines.append(Line("Origin", row.origin + (row.source.map { ", " + $0 } ?? "")))
        if let override = row.override { lines += self.override(override, in: row) }
        return lines + [Line("URL", row.shown)] + spec(row)
    }

    /// Its keys, each with the line of the manifest that sets it.
    private static func spec(_ row: InstanceRow) -> [Line] {
        let fields = row.fields
        let width = fields.map(\.path.count).max() ?? 0
        let valueWidth = fields.map(\.value.count).max() ?? 0
        return fields.enumerated().map { index, field in
            let blanks = String(repeating: " ", count: valueWidth - field.value.count + 2)
            let place = field.source.map { blanks + Self.place($0, besides: row.source) } ?? ""
            let key = field.path + String(repeating: " ", count: width - field.path.count)
            return Line(index == 0 ? "Spec" : "", "\(key)  \(field.value)\(place)")
        }
    }

    /// `tunnels.yaml:14` where the file is the one that `Origin` names in full.
    private static func place(_ source: String, besides origin: String?) -> String {
        guard let colon = source.lastIndex(of: ":"), let slash = source.lastIndex(of: "/") else { return source }
        let isSame = origin?.hasPrefix(source[...colon]) ?? false
        return isSame ? String(source[source.index(after: slash)...]) : source
    }

    /// What a request changed; then since when, until when, by whom and why.
    private static func override(_ override: WireObject<OverrideView>, in row: InstanceRow) -> [Line] {
        let changes = override.optionalMembers.filter { $0.name != "note" }.map { member in
            // The URL may hold secrets from references; `shown` is the masked form.
            member.name == "command"
                ? "url \(row.shown)"
                : "\(member.name) \(member.value.stringValue ?? member.value.compactText)"
        }
        let end = override.until.map { "until \(time($0))" } ?? "until released"
        let author = InstanceText.author(override.by, note: override.note)
        return [
            Line("Override", changes.joined(separator: ", ")),
            Line("", "since \(time(override.since)), \(end), by \(author)"),
        ]
    }

    // MARK: State

    private static func state(_ row: InstanceRow) -> [Line] {
        let since = row.history.last.map { " since \(time($0.time))" } ?? ""
        let hidden = row.fields.filter { $0.value == Secret.mask }.map(\.path)
        let isHidden = hidden.contains("tunnel") || hidden.contains("target")
        let listening = isHidden && !row.listening.isEmpty ? [Secret.mask] : row.listening
        var lines = [Line("Phase", row.phase + since)]
        if !row.reason.isEmpty { lines.append(Line("Reason", row.reason)) }
        if !row.message.isEmpty { lines.append(Line("", row.message)) }
        lines += row.problems.filter { $0.kind != Problem.Kind.failing.rawValue }.flatMap(problem)
        lines.append(Line("Mode", mode(row, isListening: !listening.isEmpty)))
        if row.fields.contains(where: { $0.path == "handshake" && $0.value == HandshakePolicy.compatible.rawValue }) {
            lines.append(Line("Handshake", HandshakePolicy.compatibleCost))
        }
        if !listening.isEmpty { lines.append(Line("Listening", listening.joined(separator: ", "))) }
        return lines
    }

    private static func problem(_ problem: WireObject<ProblemView>) -> [Line] {
        let since = problem.since.map { " (since \(time($0)))" } ?? ""
        let lines = [Line("Problem", problem.text + since)]
        return problem.remedy.isEmpty ? lines : lines + [Line("", problem.remedy)]
    }

    /// The other end, or the one that was here last.
    private static func peer(_ peer: WireObject<PeerView>) -> Line {
        guard peer.connected else {
            let lost = peer.lost.map { " until \(time($0))" } ?? ""
            return Line("Peer", "none; \(peer.address) was connected\(lost)")
        }
        return Line("Peer", "\(peer.address) (\(peer.program), over \(peer.transport)), since \(time(peer.since))")
    }

    /// Which way connections go through the tunnel.
    private static func mode(_ row: InstanceRow, isListening: Bool) -> String {
        let isDeclared = { (word: String) in row.fields.contains { $0.path == "mode" && $0.value == word } }
        return switch (row.type, row.mode, row.phase) {
        case ("server", 1, _): "reverse: users connect here, the client connects to the target"
        case ("server", 2, _): "forward: users connect to the client, this end connects to the target"
        case ("client", 1, _): "single: users connect here, this end connects to the target"
        case ("client", 2, "ready") where isListening:
            "dual, forward: users connect here, the server connects to the target"
        case ("client", 2, "ready"): "dual, reverse: users connect to the server, this end connects to the target"
        case ("client", 2, _): "dual: the server decides the direction"
        case ("client", _, _) where isDeclared("single"): "single: users connect here, this end connects to the target"
        case ("client", _, _) where isDeclared("dual"): "dual: the server decides the direction"
        default: "not decided yet"
        }
    }

    private static func figures(_ row: InstanceRow) -> [Line] {
        let connections = "\(row.connections) (\(row.tcps) TCP, \(row.udps) UDP)"
        var lines = [
            Line("Connections", connections + (row.draining.map(draining) ?? "")),
            Line("Traffic", "TCP \(size(row.tcpIn)) in, \(size(row.tcpOut)) out"),
            Line("", "UDP \(size(row.udpIn)) in, \(size(row.udpOut)) out"),
        ]
        if row.refused > 0 {
            let why = "the daemon is short of file descriptors, see `fd_limit` of /info"
            lines.append(Line("Refused", "\(row.refused) users: \(why)"))
        }
        let hasTwoEnds = row.type == "server" || row.mode == 2
        guard hasTwoEnds else { return lines }
        if let peer = row.connectedPeer { lines.append(Self.peer(peer)) }
        return lines + [
            Line("Pool", "\(row.pool) idle"), Line("Ping", "\(row.ping) ms"), Line("Rejected", "\(row.rejected)"),
        ]
    }

    /// How users fared with the targets.
    private static func targets(_ row: InstanceRow) -> [Line] {
        row.targets.enumerated().map { index, target in
            let name = target.target.isEmpty ? "at the other end" : target.target
            var words = [name]
            if target.down { words.append("DOWN") }
            if target.failures > 0 { words.append("failed \(target.failures) times in a row") }
            if let reached = target.reachedTime { words.append("last reached \(time(reached))") }
            if let error = target.error, let when = target.errorTime {
                words.append("last error \(time(when)): \(error)")
            }
            return Line(index == 0 ? "Targets" : "", words.joined(separator: ", "))
        }
    }

    private static func draining(_ draining: WireObject<OwnKeys.Draining>) -> String {
        "; \(draining.connections) of an earlier run have until \(time(draining.until))"
    }

    private static func certificate(_ certificate: WireObject<OwnKeys.Certificate>) -> [Line] {
        let lines = [
            Line("Certificate", certificate.subject),
            Line("", certificate.fingerprint),
            Line("", "valid until \(time(certificate.notAfter)) (\(certificate.expiresInDays) days)"),
        ]
        return lines + (certificate.warning.map { [Line("", "warning: " + $0)] } ?? [])
    }

    // MARK: History

    private static func history(_ row: InstanceRow) -> [Line] {
        lines("History", row.history.map { [time($0.time), $0.phase, $0.reason, $0.message] })
    }

    /// The newest events of both logs, without those that the history shows.
    private static func events(_ row: InstanceRow) -> [Line] {
        lines(
            "Events",
            row.events.filter { !["update", "drift"].contains($0.type) }.map { event in
                let author = event.by.map { "by " + InstanceText.author($0, note: event.note) }
                let words = [event.phase, event.reason, event.message, event.cause, event.change, author]
                return [time(event.time), event.type] + words.map { $0 ?? "" }
            }
        )
    }

    // MARK: Values

    /// A line for each list of words, without the empty ones.
    private static func lines(_ label: String, _ words: [[String]]) -> [Line] {
        words.enumerated().map { index, words in
            Line(index == 0 ? label : "", words.filter { !$0.isEmpty }.joined(separator: "  "))
        }
    }

    private static func size(_ bytes: Int64) -> String { ByteText.size(bytes) }

    private static func time(_ text: String) -> String { InstanceText.time(text) }
}
