import NIOCore
import TestSupport

/// One connection through a lane, over TCP or as a datagram session, that checks whatever comes back.
struct LiveUser: Sendable {
    /// What came back was not what was sent, or nothing came.
    struct Unanswered: Error {
        let sent: Int
        let received: Int
    }

    private enum Way: Sendable {
        case stream(TestClient)
        case datagrams(DatagramClient)
    }

    static let messageBytes = 1...1_400
    private static let words: ByteBuffer = {
        var random = SeededRandom(seed: 1)
        return ByteBuffer(bytes: (0..<65_536).map { _ in UInt8.random(in: .min ... .max, using: &random) })
    }()

    /// What every TCP server says first, all equally long.
    static func greeting(of server: Int) -> String { "server \(server)" }
    static let greetingBytes = greeting(of: 0).utf8.count

    private let way: Way
    /// As the server has introduced itself; datagrams come from one without a name.
    let greeting: String

    /// Comes in and, over TCP, hears the greeting.
    static func come(to lane: LiveLane) async throws -> LiveUser {
        guard lane.kind != .datagrams else {
            return LiveUser(way: .datagrams(try await DatagramClient.connect(port: lane.entry)), greeting: "")
        }
        let client = try await TestClient.connect(port: lane.entry)
        let greeting = try await client.receiveText(greetingBytes)
        guard greeting.utf8.count == greetingBytes else {
            try? await client.close()
            throw Unanswered(sent: 0, received: greeting.utf8.count)
        }
        return LiveUser(way: .stream(client), greeting: greeting)
    }

    /// Sends something and takes it back; returns how much it was.
    func exchange(_ seed: UInt64) async throws -> Int {
        var random = SeededRandom(seed: seed)
        let length = Int.random(in: Self.messageBytes, using: &random)
        let start = Int.random(in: 0..<(Self.words.readableBytes - length), using: &random)
        guard let words = Self.words.getSlice(at: start, length: length) else { return 0 }
        let answer: ByteBuffer?
        switch way {
        case .stream(let client):
            try await client.send(words)
            answer = try await client.receive(length)
        case .datagrams(let client):
            try await client.send(words)
            answer = await client.datagrams.first { _ in true }
        }
        guard answer == words else { throw Unanswered(sent: length, received: answer?.readableBytes ?? 0) }
        return length
    }

    func leave() async {
        switch way {
        case .stream(let client): try? await client.close()
        case .datagrams(let client): try? await client.channel.close()
        }
    }
}
