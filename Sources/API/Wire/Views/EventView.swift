package import Config
package import FoundationEssentials
import NIOCore
package import Reconciler

/// The `data:` of an instance event as NodePass's clients know it.
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
        .words([StreamEvent.Kind.initial, .create, .update, .delete, .log, .shutdown].map(\.rawValue), "What")
    ) { $0.kind.rawValue }
    package let time = Field("time", .time("When")) { $0.time }
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
