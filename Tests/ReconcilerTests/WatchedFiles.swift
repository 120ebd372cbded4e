import Config
import FoundationEssentials
import Glibc
import Logging
import TestSupport
import Testing

@testable import Reconciler

/// A watcher on a directory whose time stands still while files change, so that each change is one reading.
struct WatchedFiles {
    /// How the watcher comes to know: by a notification, with no poll to help, or at the first poll.
    enum Notice: Sendable {
        case hint
        case poll
    }

    typealias Change = (expected: String, make: () throws -> Void)

    static let pollInterval = Duration.seconds(2)
    static let debounce = Duration.milliseconds(100)

    let directory: TemporaryDirectory
    let clock = ManualClock()
    let watcher: ManifestWatcher
    private let readings: AsyncStream<String>
    private let notice: Notice

    /// Watches `root`, which may be a directory; changes are noticed as `notice` says.
    ///
    /// With `start` the file has been read by a daemon whose state declares these names.
    init(
        _ root: String = "tunnels.yaml",
        by notice: Notice = .hint,
        start: (text: String, declared: Set<String>)? = nil,
        writers: @escaping @Sendable (Set<String>) -> FileWriters = { _ in .closed }
    ) throws {
        let directory = try TemporaryDirectory()
        let (readings, reading) = AsyncStream.makeStream(of: String.self)
        let reader = ManifestReader(environment: [:], workingDirectory: directory.path)
        let path = directory.file(root)
        let first = try start.map { start in
            try directory.write(start.text, to: root)
            return FirstReading(reader.read(paths: [path]), declared: start.declared, now: 0, writers: writers)
        }
        self.directory = directory
        self.readings = readings
        self.notice = notice
        watcher = ManifestWatcher(
            read: { reader.read(paths: [path]) },
            initial: first,
            pollInterval: notice == .hint ? .seconds(1_000_000) : Self.pollInterval,
            debounce: Self.debounce,
            clock: clock,
            logger: .silent,
            writers: writers,
            deliver: { manifest, _ in reading.yield(manifest.summary) }
        )
    }

    /// Runs the watcher and makes each change in turn; every one is read once, as what is expected.
    func expect(from first: String, _ changes: [Change]) async throws {
        try await run {
            #expect(await next() == first)
            for (expected, make) in changes {
                try make()
                #expect(await next() == expected)
            }
        }
    }

    /// Runs the watcher for the length of a closure, which asks for readings; time passes only while it does.
    func run(_ body: () async throws -> Void) async throws {
        let run = Task { try await watcher.run() }
        try await body()
        run.cancel()
        try await run.value
    }

    /// The next reading, for which no time need pass.
    func nextAtOnce() async -> String? {
        await readings.first { _ in true }
    }

    /// The next reading; waits for ever where the watcher notices nothing.
    func next() async -> String? {
        let time = Task {
            if notice == .poll {
                await clock.sleepers(1)
                clock.advance(by: Self.pollInterval)
            }
            while !Task.isCancelled {
                // The poll sleeps, and whoever waits for files to come to rest.
                await clock.sleepers(2)
                if !Task.isCancelled { clock.advance(by: Self.debounce) }
            }
        }
        let summary = await nextAtOnce()
        time.cancel()
        await time.value
        return summary
    }
}

extension ManifestReading {
    /// Names and ports, with the key where there is one.
    fileprivate var summary: String {
        guard let manifest else { return "rejected" }
        let tunnels = manifest.tunnels.sorted { $0.name < $1.name }.map { tunnel in
            "\(tunnel.name) \(tunnel.spec.tunnel.port)" + (tunnel.spec.key.map { " \($0.value)" } ?? "")
        }
        return tunnels.isEmpty ? "nothing" : tunnels.joined(separator: ", ")
    }
}

extension TemporaryDirectory {
    /// Writes a manifest with one tunnel, in place, and returns its path.
    @discardableResult
    func declare(
        _ port: Int,
        as name: String = "web",
        in file: String = "tunnels.yaml",
        include: String = ""
    ) throws -> String {
        try write("version: 1\ninclude: [\(include)]\ntunnels:\n  \(name): {\(client(port))}\n", to: file)
    }

    func rename(_ from: String, to new: String) throws {
        guard replace(file(new), with: file(from)) == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    func link(_ name: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: file(name), withDestinationPath: target)
    }

    func remove(_ name: String) throws {
        try FileManager.default.removeItem(atPath: file(name))
    }
}

/// The C library's `rename`, which the method above hides.
private func replace(_ new: String, with old: String) -> Int32 { rename(old, new) }
