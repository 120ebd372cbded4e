import AsyncHTTPClient
import Foundation
import NIOCore

struct EventView: Decodable, Sendable {
    let type: String
    let instance: InstanceView?
}

extension EventView {
    init(data: String) throws {
        self = try JSONDecoder.api.decode(EventView.self, from: Data(data.utf8))
    }
}

/// One block of an event stream that carries data; only stored events have an id.
struct EventBlock: Sendable, Hashable {
    let id: Int64?
    let data: String

    /// Nil for a block of comments or settings alone.
    init?(_ text: Substring) {
        let lines = text.split(separator: "\n")
        guard let data = lines.first(where: { $0.hasPrefix("data: ") }) else { return nil }
        self.data = String(data.dropFirst(6))
        id = lines.first { $0.hasPrefix("id: ") }.flatMap { Int64($0.dropFirst(4)) }
    }
}

/// Server-sent events, parsed and decoded one by one.
struct EventStream: AsyncSequence {
    typealias Element = EventView

    let body: HTTPClientResponse.Body

    func makeAsyncIterator() -> Iterator {
        Iterator(chunks: body.makeAsyncIterator())
    }

    struct Iterator: AsyncIteratorProtocol {
        var chunks: HTTPClientResponse.Body.AsyncIterator
        private var text = ""

        init(chunks: HTTPClientResponse.Body.AsyncIterator) {
            self.chunks = chunks
        }

        mutating func next() async throws -> EventView? {
            try await next(isolation: #isolation)
        }

        mutating func next(isolation actor: isolated (any Actor)?) async throws -> EventView? {
            try await nextBlock(isolation: actor).map { try EventView(data: $0.data) }
        }

        /// The next event as it came, for those who compare its bytes.
        mutating func nextBlock(isolation actor: isolated (any Actor)? = #isolation) async throws -> EventBlock? {
            while true {
                if let end = text.range(of: "\n\n") {
                    let block = EventBlock(text[..<end.lowerBound])
                    text = String(text[end.upperBound...])
                    if let block { return block }
                    continue
                }
                guard let chunk = try await chunks.next(isolation: actor) else { return nil }
                text += String(buffer: chunk)
            }
        }

        /// Skips to the first event that satisfies the condition.
        mutating func first(where condition: (EventView) -> Bool) async throws -> EventView? {
            while let event = try await next() {
                if condition(event) { return event }
            }
            return nil
        }
    }
}
