@preconcurrency import Dispatch
import Glibc

/// The socket that systemd would listen on: waits until a daemon reports READY=1.
///
/// A plain socket, because NIO does not take datagrams from senders without a name, which
/// sd_notify's are.
struct NotifySocket: Sendable {
    struct NeverReady: Error {
        let exitCode: Int32
    }

    struct NotBound: Error {
        let path: String
    }

    private enum Message: Sendable {
        case notification(String)
        case exit(Int32)
    }

    private let messages: AsyncStream<Message>
    private let continuation: AsyncStream<Message>.Continuation
    private let source: any DispatchSourceRead

    static func bind(_ path: String) throws -> NotifySocket {
        unlink(path)
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { throw NotBound(path: path) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let isBound = withUnsafeMutableBytes(of: &address) { bytes in
            guard let base = bytes.bindMemory(to: sockaddr.self).baseAddress else { return false }
            return Glibc.bind(descriptor, base, length) == 0
        }
        guard isBound else { throw NotBound(path: path) }
        let (messages, continuation) = AsyncStream.makeStream(of: Message.self)
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor)
        source.setEventHandler {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 { continuation.yield(.notification(String(decoding: buffer[..<count], as: UTF8.self))) }
        }
        source.setCancelHandler { close(descriptor) }
        source.resume()
        return NotifySocket(messages: messages, continuation: continuation, source: source)
    }

    /// Returns at READY=1, and then at each of `more`; throws when the process ends before it.
    func waitForReady(or process: RunningProcess, then more: [String] = []) async throws {
        defer { source.cancel() }
        process.whenExited { [continuation] code in continuation.yield(.exit(code)) }
        var awaited = ["READY=1"] + more
        for await message in messages {
            switch message {
            case .exit(let code): throw NeverReady(exitCode: code)
            case .notification(let text):
                guard text.contains(awaited[0]) else { continue }
                awaited.removeFirst()
                if awaited.isEmpty { return }
            }
        }
    }
}
