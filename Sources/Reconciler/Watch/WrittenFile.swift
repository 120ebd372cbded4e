import Config
import Glibc

/// Finds out whether someone has a file open for writing.
enum WrittenFile {
    // Of `fcntl.h`, which the C library's module has only in part.
    private static let setLease: Int32 = 1024
    private static let setSignal: Int32 = 10
    /// Processes looked at, where there is no other way.
    private static let processLimit = 10_000

    /// Who writes these paths, as far as they are regular files.
    static func writers(of paths: Set<String>) -> FileWriters {
        var unknown: Set<String> = []
        for path in paths {
            switch hasWriter(path) {
            case true?: return .open
            case false?: break
            case nil: unknown.insert(path)
            }
        }
        guard !unknown.isEmpty else { return .closed }
        // Processes of other users and of other containers cannot be looked into.
        return isOpenInProcesses(unknown) ? .open : .unseen(unknown)
    }

    /// By asking for a lease, which the kernel refuses while there is a writer (`fcntl(2)`); nil for
    /// a file of somebody else, or a file system without leases.
    private static func hasWriter(_ path: String) -> Bool? {
        guard FileState(path: path)?.isDirectory == false else { return false }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // A writer that comes in this moment has us signalled; this signal is ignored by default.
        _ = fcntl(descriptor, setSignal, SIGURG)
        guard fcntl(descriptor, setLease, Int32(F_RDLCK)) != 0 else {
            _ = fcntl(descriptor, setLease, Int32(F_UNLCK))
            return false
        }
        return errno == EAGAIN ? true : nil
    }

    /// By the descriptors of the processes whose descriptors this one may see (`proc(5)`).
    static func isOpenInProcesses(_ paths: Set<String>) -> Bool {
        let targets = Set(paths.compactMap(realPath))
        let processes = (TextFile.names(in: "/proc") ?? []).filter { $0.utf8.allSatisfy { (48...57).contains($0) } }
        for process in processes.prefix(processLimit) {
            for descriptor in TextFile.names(in: "/proc/\(process)/fd") ?? [] {
                guard let target = link("/proc/\(process)/fd/\(descriptor)"), targets.contains(target) else { continue }
                if isForWriting("/proc/\(process)/fdinfo/\(descriptor)") { return true }
            }
        }
        return false
    }

    private static func isForWriting(_ info: String) -> Bool {
        guard let text = try? TextFile.read(info, limitBytes: 4096) else { return false }
        let line = text.split(separator: "\n").first { $0.hasPrefix("flags:") }
        let flags = line.flatMap { Int32($0.dropFirst("flags:".count).drop { $0 == " " || $0 == "\t" }, radix: 8) } ?? 0
        return flags & O_ACCMODE != O_RDONLY
    }

    private static func link(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX) + 1) { buffer in
            guard let start = buffer.baseAddress else { return nil }
            let count = readlink(path, start, Int(PATH_MAX))
            guard count > 0 else { return nil }
            return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    private static func realPath(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }
}
