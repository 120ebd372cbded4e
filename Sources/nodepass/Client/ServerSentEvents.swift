import AsyncHTTPClient
import Config
import NIOCore

/// The events a daemon sends; ends when the daemon ends the stream, throws when the connection
/// breaks.
struct ServerSentEvents: AsyncSequence, Sendable {
    typealias Element = ServerSentEvent

    let chunks: HTTPClientResponse.Body
    /// How messages name the daemon.
    let place: String

    func makeAsyncIterator() -> Iterator {
        Iterator(chunks: chunks.makeAsyncIterator(), place: place)
    }

    struct Iterator: AsyncIteratorProtocol {
        private var chunks: HTTPClientResponse.Body.AsyncIterator
        private let place: String
        private var parser = ServerSentEventParser()
        private var ready: [ServerSentEvent] = []
        private var position = 0

        init(chunks: HTTPClientResponse.Body.AsyncIterator, place: String) {
            self.chunks = chunks
            self.place = place
        }

        mutating func next() async throws -> ServerSentEvent? {
            try await next(isolation: #isolation)
        }

        mutating func next(isolation actor: isolated (any Actor)?) async throws -> ServerSentEvent? {
            while position == ready.count {
                guard let chunk = try await nextChunk(actor) else { return nil }
                do throws(ServerSentEventParser.TooLong) {
                    ready = try parser.take(chunk.readableBytesView)
                } catch {
                    throw CommandFailure(message: "\(place) did not send an event stream")
                }
                position = 0
            }
            defer { position += 1 }
            return ready[position]
        }

        private mutating func nextChunk(_ actor: isolated (any Actor)?) async throws -> ByteBuffer? {
            do {
                return try await chunks.next(isolation: actor)
            } catch {
                throw CommandFailure(
                    message: "\(place) closed the stream too early (\(RemoteServer.words(for: error))): did it stop?"
                )
            }
        }
    }
}
