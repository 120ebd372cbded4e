import API
import Config
import NIOCore
import Reconciler
import TestSupport

/// A client that writes its requests byte by byte, and sees answers as they come over the wire.
struct WireClient: Sendable {
    let port: Int
    let key: String

    /// One request on a connection of its own; `fields` are whole lines, without a key unless one of them is it.
    func send(_ start: String, _ fields: [String] = [], body: String? = nil) async throws -> WireAnswer {
        let client = try await open(start, fields + ["Connection: close"], body: body)
        let answer = WireAnswer(String(buffer: try await client.receiveAll()))
        try? await client.close()
        return answer
    }

    /// Follows an event stream.
    func follow(_ path: String = "/api/v1/events", _ fields: [String] = []) async throws -> WireStream {
        WireStream(client: try await open("GET \(path)", ["X-API-Key: \(key)"] + fields))
    }

    private func open(_ start: String, _ fields: [String], body: String? = nil) async throws -> TestClient {
        let length = body.map { ["Content-Length: \($0.utf8.count)"] } ?? []
        let lines = ["\(start) HTTP/1.1", "Host: localhost"] + fields + length
        let client = try await TestClient.connect(port: port)
        try await client.send(lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? ""))
        return client
    }
}

extension TestDaemon {
    /// Serves the API on a port of its own while `body` runs.
    func served(_ body: @Sendable (WireClient) async throws -> Void) async throws {
        try await ListenerTests().serve(self) { port in
            try await body(WireClient(port: port, key: identity.apiKey))
        }
    }
}

/// Status line, header lines and body of an answer, the body without its chunks.
struct WireAnswer {
    let lines: [String]
    let body: String
    /// Whether the body ended as its framing says it does.
    let isWhole: Bool

    init(_ text: String) {
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        lines = parts[0].split(separator: "\r\n").map(String.init)
        let rest = parts.count == 2 ? Array(parts[1].utf8) : []
        if lines.contains(where: { $0.lowercased() == "transfer-encoding: chunked" }) {
            (body, isWhole) = WireAnswer.unchunked(rest)
        } else {
            body = String(decoding: rest, as: UTF8.self)
            isWhole = true
        }
    }

    var status: Int { lines.first.flatMap { Int($0.split(separator: " ")[1]) } ?? 0 }

    var json: JSONValue {
        get throws { try JSONParser.parse(Array(body.utf8)) }
    }

    func field(_ name: String) -> String? {
        let start = name.lowercased() + ": "
        return lines.first { $0.lowercased().hasPrefix(start) }.map { String($0.dropFirst(start.count)) }
    }

    /// The chunks that are there in full, and whether the last of them is the empty one.
    private static func unchunked(_ bytes: [UInt8]) -> (String, Bool) {
        var data: [UInt8] = []
        var index = 0
        while let end = bytes[index...].firstIndex(of: 0x0d) {
            let size = Int(String(decoding: bytes[index..<end], as: UTF8.self), radix: 16) ?? 0
            guard size > 0 else { return (String(decoding: data, as: UTF8.self), true) }
            guard end + 2 + size <= bytes.count else { break }
            data += bytes[end + 2..<end + 2 + size]
            index = min(end + 2 + size + 2, bytes.count)
        }
        return (String(decoding: data, as: UTF8.self), false)
    }
}

/// An event stream on the wire, read as far as a test asks.
struct WireStream {
    let client: TestClient
    private var received: [UInt8] = []

    init(client: TestClient) {
        self.client = client
    }

    /// Everything so far, once it contains `marker` or the other side has ended.
    mutating func read(until marker: String) async throws -> WireAnswer {
        let wanted = Array(marker.utf8)
        while !received.suffix(wanted.count).elementsEqual(wanted) {
            let next = try await client.receive(1)
            if next.readableBytes == 0 { break }
            received += next.readableBytesView
        }
        return WireAnswer(String(decoding: received, as: UTF8.self))
    }

    /// Everything to the other side's end.
    mutating func readToEnd() async throws -> WireAnswer {
        received += try await client.receiveAll().readableBytesView
        return WireAnswer(String(decoding: received, as: UTF8.self))
    }

    func close() async throws {
        try await client.close()
    }
}
