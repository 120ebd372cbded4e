package import Config
package import FoundationEssentials
import NIOCore
package import Reconciler

/// Events as NodePass's clients know them: one JSON envelope, one SSE block.
package enum EventView {
    /// The block every stream starts with: how long a client waits before it reconnects.
    package static let greeting = "retry: 3000\n\n"
    /// A comment; clients ignore it, proxies and idle timers do not.
    package static let heartbeat = ": ping\n\n"
    static let heartbeatBuffer = ByteBuffer(string: heartbeat)

    /// The `data:` of an instance event; `create` and `delete` show `stopped`, as they always did.
    package static func payload(
        _ kind: StreamEvent.Kind,
        _ time: Date,
        _ instance: Instance?,
        _ log: String
    ) -> String {
        let status: WireStatus? = kind == .create || kind == .delete ? .stopped : nil
        let object = instance.map { InstanceView.object($0, status: status, now: time) } ?? .null
        return payload(kind, time, object: object, log: log)
    }

    package static func payload(
        _ kind: StreamEvent.Kind,
        _ time: Date,
        object: JSONValue,
        log: String = ""
    ) -> String {
        let envelope = JSONValue.object([
            "type": .string(kind.rawValue),
            "time": .string(RFC3339.text(time)),
            "instance": object,
            "logs": .string(shortened(log)),
        ])
        return envelope.compactText
    }

    /// Instance events all have one name, as NodePass's clients expect it; the reconciler's are told apart by theirs.
    package static func block(_ event: StreamEvent, in log: EventLog = .instances) -> String {
        var buffer = ByteBuffer()
        append(event, in: log, to: &buffer)
        return String(buffer: buffer)
    }

    static func append(_ event: StreamEvent, in log: EventLog, to buffer: inout ByteBuffer) {
        if let id = event.id { buffer.writeString("id: \(id)\n") }
        buffer.writeString(log == .instances ? "event: instance\ndata: " : "event: \(event.kind.rawValue)\ndata: ")
        buffer.writeString(event.payload)
        buffer.writeStaticString("\n\n")
    }

    private static func shortened(_ line: String) -> String {
        guard line.utf8.count > APILimits.logLineBytes else { return line }
        return String(decoding: line.utf8.prefix(APILimits.logLineBytes), as: UTF8.self) + "…"
    }
}
