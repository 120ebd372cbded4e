package import Config
package import FoundationEssentials
import NIOCore
package import Reconciler

/// Events as NodePass's clients know them: one JSON envelope, one SSE block.
///
/// The store and the hub hold what happened as values; here it becomes JSON.
package enum EventView {
    /// The block every stream starts with: how long a client waits before it reconnects.
    package static let greeting = "retry: 3000\n\n"
    /// A comment; clients ignore it, proxies and idle timers do not.
    package static let heartbeat = ": ping\n\n"
    static let heartbeatBuffer = ByteBuffer(string: heartbeat)

    /// The `data:` of any event.
    package static func payload(_ event: RecordedEvent) -> String {
        let time = event.time
        switch event.content {
        case .instance(let kind, let instance):
            // `create` and `delete` show `stopped`, as they always did.
            let status: WireStatus? = kind == .create || kind == .delete ? .stopped : nil
            return payload(kind, time, object: InstanceView.object(instance, status: status, now: time))
        case .logLine(let instance, let line):
            return payload(.log, time, object: InstanceView.object(instance, now: time), log: line)
        case .notice(let notice):
            return NoticeView.payload(notice, time)
        case .shutdown:
            return payload(.shutdown, time, object: .null)
        }
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

    /// Instance events all have one name, as NodePass's clients expect it; the reconciler's have a name for each kind.
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
