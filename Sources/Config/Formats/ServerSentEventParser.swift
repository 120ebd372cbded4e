/// Cuts a stream of server-sent events into its blocks, whatever pieces it arrives in.
///
/// Source: the WHATWG's HTML standard, "Server-sent events"; lines end as the daemon ends them,
/// with a line feed.
package struct ServerSentEventParser {
    /// The longest block read; the daemon's stay under 64 KiB.
    package static let blockLimitBytes = 1 << 20

    package struct TooLong: Error, Hashable {}

    private var line: [UInt8] = []
    private var event = ServerSentEvent()
    private var hasData = false
    private var blockBytes = 0

    package init() {}

    /// The blocks that end in these bytes.
    package mutating func take(_ bytes: some Sequence<UInt8>) throws(TooLong) -> [ServerSentEvent] {
        var events: [ServerSentEvent] = []
        for byte in bytes {
            blockBytes += 1
            guard blockBytes <= Self.blockLimitBytes else { throw TooLong() }
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                continue
            }
            if let event = endLine() { events.append(event) }
        }
        return events
    }

    private mutating func endLine() -> ServerSentEvent? {
        let text = String(decoding: line, as: UTF8.self)
        line.removeAll(keepingCapacity: true)
        guard text.isEmpty else {
            readField(text)
            return nil
        }
        defer {
            event = ServerSentEvent()
            hasData = false
            blockBytes = 0
        }
        return hasData ? event : nil
    }

    private mutating func readField(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let rest = parts.count == 2 ? parts[1] : ""
        let value = String(rest.hasPrefix(" ") ? rest.dropFirst() : rest)
        switch parts[0] {
        case "event": event.name = value
        case "id": event.id = value
        case "data":
            event.data += hasData ? "\n" + value : value
            hasData = true
        default: break
        }
    }
}
