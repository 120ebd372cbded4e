import Config
import FoundationEssentials
import Glibc

/// What a daemon that drains its connections leaves for commands, which its socket no longer answers.
struct StopNotice {
    let process: Int32
    let connections: Int
    let until: Date

    private static let limitBytes = 1024

    private static func path(in directory: String) -> String { directory + "/stopping" }

    /// Replaces one that an earlier daemon has left.
    func write(in directory: String) {
        let members: [JSONValue.Member] = [
            .init("process", .int(Int64(process))), .init("connections", .int(Int64(connections))),
            .init("until", .string(RFC3339.text(until))),
        ]
        let path = Self.path(in: directory)
        unlink(path)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        let text = Array(JSONValue.object(members).compactText.utf8)
        _ = Glibc.write(descriptor, text, text.count)
        close(descriptor)
    }

    static func remove(in directory: String) { unlink(path(in: directory)) }

    /// What the daemon of this socket has left; nil when it has ended since.
    static func read(beside socket: String) -> StopNotice? {
        let path = path(in: TextFile.directory(of: socket))
        guard let text = try? TextFile.read(path, limitBytes: limitBytes),
            let value = try? JSONParser.parse(Array(text.utf8)),
            case .int(let process)? = value["process"], case .int(let connections)? = value["connections"],
            let until = value["until"]?.stringValue.flatMap(RFC3339.date),
            kill(Int32(truncatingIfNeeded: process), 0) == 0 || errno == EPERM
        else { return nil }
        return StopNotice(process: Int32(truncatingIfNeeded: process), connections: Int(connections), until: until)
    }

    /// `is stopping: 3 connections drain, until 16:05:56Z at the latest`.
    var words: String {
        let count = connections == 1 ? "1 connection drains" : "\(connections) connections drain"
        let what = connections == 0 ? "nothing drains" : count
        return "is stopping: \(what), until \(LocalTime(isUTC: true).text(until)) at the latest"
    }
}
