import Glibc

/// Why something could not be measured, for a reader.
struct BenchmarkFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }

    /// A call of the system that has just failed.
    init(system call: String) {
        description = "\(call): \(String(cString: strerror(errno)))"
    }
}
