import Config
import Glibc

/// Standard input as one text.
enum StandardInput {
    /// Reads to its end; no more than a manifest may have.
    static func text() throws(CommandFailure) -> String {
        let limit = YAMLLimits().documentBytes
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = chunk.withUnsafeMutableBytes { read(STDIN_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw CommandFailure(message: "standard input cannot be read") }
            if count == 0 { break }
            bytes += chunk[..<count]
            guard bytes.count <= limit else {
                throw CommandFailure(message: "standard input is larger than \(limit) bytes")
            }
        }
        guard let text = InputText.decoded(bytes) else {
            throw CommandFailure(message: "standard input is not UTF-8 text")
        }
        return text
    }
}
