import API
import Config
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import TestSupport
import Testing

/// A browser shows a page of another origin nothing of an answer without these fields, not even its status.
@Suite("Every answer that the server can give may be read by a page of another origin", .timeLimit(.minutes(1)))
struct CrossOriginTests {
    private static let methods = "GET, PATCH, POST, PUT, DELETE, OPTIONS"
    private static let names = "Content-Type, Authorization, X-API-Key, Cache-Control"

    private func check(_ answer: WireAnswer, _ status: Int, at place: Testing.SourceLocation = #_sourceLocation) {
        let text = Comment(rawValue: answer.lines.joined(separator: "\n"))
        #expect(answer.status == status, text, sourceLocation: place)
        #expect(answer.field("Access-Control-Allow-Origin") == "*", text, sourceLocation: place)
        #expect(answer.field("Access-Control-Allow-Methods") == Self.methods, text, sourceLocation: place)
        #expect(answer.field("Access-Control-Allow-Headers") == Self.names, text, sourceLocation: place)
    }

    static let unrouted: [(String, Int)] = [
        ("GET /api/v1/nope", 404), ("POST /api/v1/nope", 404), ("GET /nope", 404), ("GET /api/v1/info/", 404),
        ("GET //api/v1/info", 404), ("HEAD /api/v1/nope", 404), ("HEAD /api/v1/instances", 405),
        ("OPTIONS /api/v1/nope", 200), ("OPTIONS /nope", 200), ("OPTIONS /api/v1/info/", 200),
        ("TRACE /api/v1/info", 405), ("MKCOL /healthz", 405), ("GET /healthz", 200), ("GET /", 200),
    ]

    @Test("whatever its path and its method are", arguments: unrouted)
    func anyPath(start: String, status: Int) async throws {
        try await TestDaemon.run { daemon in
            try await daemon.served { client in
                let answer = try await client.send(start, ["X-API-Key: \(client.key)"])
                check(answer, status)
                if status == 200, start.hasPrefix("OPTIONS") { #expect(answer.body.isEmpty) }
            }
        }
    }

    static let malformed = [
        "GARBAGE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /healthz HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nX-Large: " + String(repeating: "x", count: 17_000),
        "POST /api/v1/instances HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n",
    ]

    @Test("a request that cannot be understood is answered with 400", arguments: malformed.indices)
    func malformedRequest(index: Int) async throws {
        try await TestDaemon.run { daemon in
            try await daemon.served { wire in
                let client = try await TestClient.connect(port: wire.port)
                try await client.send(Self.malformed[index])
                check(WireAnswer(String(buffer: try await client.receiveAll())), 400)
            }
        }
    }

    @Test("a preflight of a path that does not exist allows the fields it asks for, so that a page sees the 404")
    func preflight() async throws {
        try await TestDaemon.run { daemon in
            let answer = try await daemon.sendPlain(
                .options,
                "/api/v1/nope",
                headers: [.accessControlRequestHeaders: "x-api-key,if-match"]
            )
            #expect(answer.status == 200)
            #expect(answer.headers[.accessControlAllowHeaders] == Self.names + ", If-Match")
        }
    }

    @Test("an answer that no route gave gets the fields, one that has them keeps its own")
    func onTheChannel() throws {
        let channel = EmbeddedChannel(handler: CrossOriginFields())
        try channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .internalServerError)))
        let own = HTTPResponse(status: .ok, headerFields: [.accessControlAllowOrigin: "https://one.example"])
        try channel.writeOutbound(HTTPResponsePart.head(own))
        try channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .continue)))
        var heads: [HTTPResponse] = []
        while let part = try channel.readOutbound(as: HTTPResponsePart.self) {
            if case .head(let head) = part { heads.append(head) }
        }
        #expect(heads[0].headerFields[.accessControlAllowOrigin] == "*")
        #expect(heads[0].headerFields[.accessControlAllowMethods] == Self.methods)
        #expect(heads[1] == own)
        #expect(heads[2].headerFields.isEmpty)
        _ = try channel.finish()
    }
}
