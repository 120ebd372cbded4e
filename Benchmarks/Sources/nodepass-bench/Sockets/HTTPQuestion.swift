import Foundation

/// One question to a daemon's API, on a connection of its own.
struct HTTPQuestion {
    let address: Address
    let path: String
    var key = ""

    struct Answer {
        let status: Int
        let body: Data
    }

    /// Nil when nobody is there, or what comes is no answer.
    func answer() -> Answer? {
        guard let connection = try? Socket.connection(to: address) else { return nil }
        defer { connection.close() }
        let credential = key.isEmpty ? "" : "X-API-Key: \(key)\r\n"
        let question = "GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\(credential)\r\n"
        guard Array(question.utf8).withUnsafeBytes({ connection.send($0) }), let bytes = connection.receiveAll() else {
            return nil
        }
        let answer = Data(bytes)
        guard let head = answer.firstRange(of: Data("\r\n\r\n".utf8)) else { return nil }
        let words = String(decoding: answer[..<head.lowerBound], as: UTF8.self).split(separator: " ", maxSplits: 2)
        guard words.count > 1, let status = Int(words[1]) else { return nil }
        return Answer(status: status, body: answer[head.upperBound...])
    }
}
