import Foundation

/// A connection to a daemon's API for one question after the other.
final class KeptConnection {
    private static let pieceBytes = 64 << 10
    private static let headEnd = Data("\r\n\r\n".utf8)

    private let socket: Socket
    private let key: String
    private var piece = [UInt8](repeating: 0, count: pieceBytes)

    init(to address: Address, key: String) throws {
        socket = try Socket.connection(to: address)
        self.key = key
    }

    /// The status of the answer, all of which is read; nil when there is none.
    func status(_ method: String, _ path: String, _ body: String) -> Int? {
        let fields = "Host: localhost\r\nX-API-Key: \(key)\r\nContent-Length: \(body.utf8.count)\r\n"
        let question = "\(method) \(path) HTTP/1.1\r\n\(fields)Content-Type: application/json\r\n\r\n\(body)"
        guard Array(question.utf8).withUnsafeBytes({ socket.send($0) }) else { return nil }
        var answer = Data()
        while true {
            let count = recv(socket.descriptor, &piece, piece.count, 0)
            guard count > 0 else { return nil }
            answer += piece.prefix(count)
            if let head = answer.firstRange(of: Self.headEnd) {
                let text = String(decoding: answer[..<head.lowerBound], as: UTF8.self).lowercased()
                guard let length = Self.length(text), answer.count >= head.upperBound + length else { continue }
                return text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
            }
        }
    }

    func close() {
        socket.close()
    }

    private static func length(_ head: String) -> Int? {
        let line = head.split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
        return line?.split(separator: " ").last.flatMap { Int($0) }
    }
}
