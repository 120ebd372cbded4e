import API
import Config
import FoundationEssentials
import HTTPTypes
import Reconciler

/// The stream of events ended before the one a test waited for.
struct StreamEnded: Error {}

extension TestDaemon {
    /// Opens an event stream, lets `act` happen under it, ends it, and returns all of its text.
    func stream(
        _ path: String = "/api/v1/events",
        act: @Sendable () async throws -> Void = {}
    ) async throws -> Answer {
        let before = hub.subscriberCount
        async let answer = send(.get, path)
        while hub.subscriberCount == before { await Task.yield() }
        try await act()
        hub.shutdown(at: Date())
        return try await answer
    }

    /// The next event that satisfies the condition; those before it are passed over.
    @discardableResult
    func event(where condition: (JSONValue) -> Bool) async throws -> JSONValue {
        for try await event in events {
            let value = try JSONParser.parse(Array(event.payload.utf8))
            if condition(value) { return value }
        }
        throw StreamEnded()
    }

    /// Creates a tunnel and waits until it has settled: ready, or looking for its other end.
    func createRunning(_ url: String, alias: String = "") async throws -> String {
        let id = try await create(url, alias: alias)
        try await event { event in
            guard event["type"] == "update", event["instance"]?["id"]?.stringValue == id else { return false }
            return ["ready", "connecting"].contains(event["instance"]?["phase"]?.stringValue ?? "")
        }
        return id
    }

    /// Waits until a declared tunnel is ready, and returns its id.
    func declared(_ name: String) async throws -> String {
        let ready = try await event { event in
            event["type"] == "update" && event["instance"]?["name"]?.stringValue == name
                && event["instance"]?["phase"] == "ready"
        }
        return ready["instance"]?["id"]?.stringValue ?? ""
    }

    func patch(_ id: String, _ body: String) async throws -> Answer {
        try await send(.patch, "/api/v1/instances/\(id)", body)
    }

    /// The row of the list with this id.
    func row(_ id: String) async throws -> JSONValue? {
        try await send(.get, "/api/v1/instances").json.items.first { $0["id"]?.stringValue == id }
    }
}

/// The text of an event stream, taken apart.
struct StreamText {
    let text: String

    init(_ text: String) {
        self.text = text
    }

    /// What stands between blank lines.
    var blocks: [Substring] {
        text.split(separator: "\n\n")
    }

    /// The `data:` of every block that has one.
    var payloads: [String] {
        blocks.compactMap { block in
            let line = block.split(separator: "\n").first { $0.hasPrefix("data: ") }
            return line.map { String($0.dropFirst(6)) }
        }
    }

    var events: [JSONValue] {
        get throws { try payloads.map { try JSONParser.parse(Array($0.utf8)) } }
    }

    var types: [String] {
        get throws { try events.compactMap { $0["type"]?.stringValue } }
    }
}
