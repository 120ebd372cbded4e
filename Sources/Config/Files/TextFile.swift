import Glibc
import SystemPackage

/// Reads small text files and resolves paths.
package enum TextFile {
    /// Why a file could not be read, in words.
    package struct ReadError: Error {
        package let problem: String
    }

    /// A regular file as text, without a byte order mark.
    package static func read(_ path: String, limitBytes: Int) throws(ReadError) -> String {
        let bytes = try bytes(of: path, limitBytes: limitBytes)
        guard let text = InputText.decoded(bytes) else { throw ReadError(problem: "not UTF-8 text") }
        return text
    }

    /// The bytes of a regular file; a pipe or device is refused because reading it could wait
    /// forever.
    package static func bytes(of path: String, limitBytes: Int) throws(ReadError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw ReadError(problem: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw ReadError(problem: "not a regular file")
        }
        return try readAll(descriptor, limitBytes: limitBytes)
    }

    private static func readAll(_ descriptor: Int32, limitBytes: Int) throws(ReadError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = chunk.withUnsafeMutableBytes { systemRead(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return bytes }
            guard count > 0 else { throw ReadError(problem: String(cString: strerror(errno))) }
            bytes += chunk[..<count]
            guard bytes.count <= limitBytes else { throw ReadError(problem: "larger than \(limitBytes) bytes") }
        }
    }

    /// The C library's `read`, which the function above hides.
    private static func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
        Glibc.read(descriptor, buffer, count)
    }

    static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    static func isFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFDIR
    }

    /// Names in a directory, sorted bytewise; nil when it cannot be read.
    package static func names(in directory: String) -> [String]? {
        guard let stream = opendir(directory) else { return nil }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// An absolute path without `.`, `..` and doubled slashes; symbolic links are left as they are.
    package static func absolute(_ path: String, from base: String) -> String {
        FilePath("/").pushing(FilePath(base)).pushing(FilePath(path)).lexicallyNormalized().string
    }

    /// The directory that a path is in: `/` for the root, `.` for a name alone.
    package static func directory(of path: String) -> String {
        let directory = FilePath(path).removingLastComponent()
        return directory.isEmpty ? "." : directory.string
    }
}
