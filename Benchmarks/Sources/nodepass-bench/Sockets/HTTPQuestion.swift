import Foundation

/// One question to a daemon's API, on a connection of its own.
struct HTTPQuestion {
    let address: Address
    let path: String
    var key = ""
    var method = "GET"
    var text = ""

    struct Answer {
        let status: Int
        /// Its header, in the order in which it came.
        let fields: [(name: String, value: String)]
        let body: Data
    }

    /// Nil when nobody is there, or what comes is no answer.
    func answer() -> Answer? {
        guard let connection = try? Socket.connection(to: address) else { return nil }
        defer { connection.close() }
        let credential = key.isEmpty ? "" : "X-API-Key: \(key)\r\n"
        let length = text.isEmpty ? "" : "Content-Type: application/json\r\nContent-Length: \(text.utf8.count)\r\n"
        let fields = "Host: localhost\r\nConnection: close\r\n\(credential)\(length)"
        let question = "\(method) \(path) HTTP/1.1\r\n\(fields)\r\n\(text)"
        guard Array(question.utf8).withUnsafeBytes({ connection.send($0) }), let bytes = connection.receiveAll() else {
            return nil
        }
        let answer = Data(bytes)
        guard let head = answer.firstRange(of: Data("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: answer[..<head.lowerBound], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ", maxSplits: 2) ?? []
        guard words.count > 1, let status = Int(words[1]) else { return nil }
        return Answer(status: status, fields: lines.dropFirst().map(Self.field), body: answer[head.upperBound...])
    }

    private static func field(_ line: Substring) -> (name: String, value: String) {
        let parts = line.split(separator: ":", maxSplits: 1)
        let value = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
        return (parts.first.map(String.init) ?? "", value)
    }
}
