package import Config
package import FoundationEssentials
import NIOCore
package import Reconciler

/// The `data:` of an instance event as NodePass's clients know it.
///
/// The store and the hub hold what happened as values; here it becomes JSON.
package struct EventView: WireView {
    package struct Source: Sendable {
        let kind: StreamEvent.Kind
        let time: Date
        let instance: JSONValue
        let log: String
    }

    package static let name = "InstanceEvent"
    package static let summary =
        "What happened to an instance; `initial` shows one that exists, `shutdown` is the last event of a stream"
    package static let table = WireTable(EventView())

    package let type = Field(
        "type",
        .words(
            [StreamEvent.Kind.initial, .create, .update, .delete, .log, .shutdown].map(\.rawValue),
            "Type of the event"
        )
    ) { $0.kind.rawValue }
    package let time = Field("time", .time("Time of the event")) { $0.time }
    package let instance = Field("instance", .instance) { $0.instance }
    package let logs = Field("logs", .text("The line of a `log`, with its colors; otherwise empty")) {
        EventView.shortened($0.log)
    }

    package init() {}

    private static func shortened(_ line: String) -> String {
        guard line.utf8.count > APILimits.logLineBytes else { return line }
        return String(decoding: line.utf8.prefix(APILimits.logLineBytes), as: UTF8.self) + "…"
    }
}

extension WireType where Written == JSONValue, Read == InstanceRow? {
    /// An instance that is written already, or null.
    fileprivate static var instance: WireType {
        WireType(
            schema: Schema.nullable(Schema.reference("Instance")),
            write: { $0 },
            read: { value in
                guard let value, case .object = value else { return nil }
                return InstanceRow(value)
            }
        )
    }
}

// MARK: - Text

extension EventView {
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
        self.object(Source(kind: kind, time: time, instance: object, log: log)).compactText
    }

    /// Instance events all have the name that NodePass's clients expect; each kind of reconcile
    /// event has its own.
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
}
