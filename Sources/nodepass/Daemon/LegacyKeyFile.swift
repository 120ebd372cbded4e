import Config
import Glibc
import Logging
import Reconciler

/// Keeps the API key in a file, where NodePass's installers look for it: `gob/nodepass.gob` beside the binary.
///
/// Only when asked for: anyone who can read the file has the key.
struct LegacyKeyFile: Sendable {
    let path: String
    let logger: Logger

    /// Writes the key, and each new one.
    func follow(_ identity: DaemonIdentity) throws(CommandFailure) {
        if let problem = write(identity.apiKey) {
            throw CommandFailure(message: "--legacy-key-file: cannot write \(path): \(problem)")
        }
        identity.onKeyChange { key in
            guard let problem = write(key) else { return }
            logger.error("The key file still has the old key", metadata: ["file": "\(path)", "reason": "\(problem)"])
        }
    }

    /// Replaces the file as a whole; what went wrong, or nil.
    private func write(_ key: String) -> String? {
        mkdir(TextFile.directory(of: path), 0o700)
        let new = path + ".new"
        unlink(new)
        let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return problem }
        let text = Array((key + "\n").utf8)
        let isWritten = Glibc.write(descriptor, text, text.count) == text.count
        close(descriptor)
        guard isWritten, rename(new, path) == 0 else {
            defer { unlink(new) }
            return problem
        }
        return nil
    }

    private var problem: String { String(cString: strerror(errno)) }
}
