package import Config
import Dispatch
package import Logging
import ServiceLifecycle
import Synchronization

/// Reads the manifest again whenever a file it came from may have changed, and hands each reading on.
///
/// Directory notifications say when to look at once; a poll of every watched path is what can be relied on, whatever the
/// file system. A change is read after it has been quiet for a moment, so that a save in several steps is one reading.
package final class ManifestWatcher: Service {
    /// Looks one burst of changes may put off its reading by.
    private static let debounceLimit = 50
    /// Readings in a row that may each name other files before one is taken as it is.
    private static let rereadLimit = 4

    private let read: @Sendable () -> ManifestReading
    private let deliver: @Sendable (ManifestReading, _ isConfirmed: Bool) async -> Void
    private let writers: @Sendable (Set<String>) -> FileWriters
    /// Of a reading that has been delivered already: its paths, and the names that the next one is compared with.
    private let known: (paths: Set<String>, names: Set<String>)?
    private let clock: any Clock<Duration>
    private let pollInterval: Duration
    private let debounce: Duration
    private let logger: Logger
    private let queue = DispatchQueue(label: "nodepass.manifest")
    private let nudges = Mutex(Nudges())
    /// Polls so far.
    private let polls = Mutex(0)
    private let looks: AsyncStream<Void>
    private let look: AsyncStream<Void>.Continuation

    private struct Nudges {
        var isPending = false
        var isConfirmed = false
        var waiters: [CheckedContinuation<Void, Never>] = []
        var isOver = false

        mutating func take() -> (isPending: Bool, isConfirmed: Bool, waiters: [CheckedContinuation<Void, Never>]) {
            defer {
                isPending = false
                isConfirmed = false
                waiters = []
            }
            return (isPending, isConfirmed, waiters)
        }
    }

    /// Begins with a reading, unless `initial` is one that has been delivered already.
    ///
    /// `writers` finds out who has one of these files open for writing.
    package init(
        read: @escaping @Sendable () -> ManifestReading,
        initial: FirstReading? = nil,
        pollInterval: Duration = .seconds(2),
        debounce: Duration = .milliseconds(100),
        clock: any Clock<Duration> = ContinuousClock(),
        logger: Logger,
        writers: @escaping @Sendable (Set<String>) -> FileWriters = { WrittenFile.writers(of: $0) },
        deliver: @escaping @Sendable (ManifestReading, _ isConfirmed: Bool) async -> Void
    ) {
        self.read = read
        self.deliver = deliver
        self.writers = writers
        known = initial.map { ($0.reading.watched, $0.names) }
        self.clock = clock
        self.pollInterval = pollInterval
        self.debounce = debounce
        self.logger = logger
        (looks, look) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Reads and delivers now, whether or not anything looks changed: what SIGHUP asks for.
    package func nudge() {
        nudges.withLock { $0.isPending = true }
        look.yield()
    }

    /// As `nudge`, and returns when the reading has been delivered, or the watcher has ended.
    ///
    /// `isConfirmed` goes with the reading.
    package func reread(isConfirmed: Bool = false) async {
        await withCheckedContinuation { waiter in
            let isOver = nudges.withLock { nudges in
                if !nudges.isOver {
                    nudges.isPending = true
                    if isConfirmed { nudges.isConfirmed = true }
                    nudges.waiters.append(waiter)
                }
                return nudges.isOver
            }
            if isOver { waiter.resume() } else { look.yield() }
        }
    }

    /// A reading of the files as they are now, which is not delivered.
    package func reading() async -> ManifestReading {
        await offPool { self.read() }
    }

    package func run() async throws {
        let notifier = DirectoryNotifier { [look] in look.yield() }
        if notifier == nil { logger.warning("no file notifications, polling alone") }
        await withTaskCancellationOrGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.poll() }
                await self.follow(notifier)
                group.cancelAll()
            }
            end()
        } onCancelOrGracefulShutdown: { [look] in
            look.finish()
        }
    }

    private func end() {
        let waiters = nudges.withLock { nudges in
            nudges.isOver = true
            return nudges.take().waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    private func poll() async {
        while (try? await clock.sleep(for: pollInterval)) != nil {
            polls.withLock { $0 += 1 }
            look.yield()
        }
    }

    private func follow(_ notifier: DirectoryNotifier?) async {
        var prints = FingerprintSet(paths: [])
        var hold = ReadingHold(delivered: known?.names)
        if let known {
            prints = await fingerprints(of: known.paths)
            notifier?.watch(known.paths)
        }
        // Also after an initial reading: the files may have changed since.
        await step(&prints, &hold, notifier)
        for await _ in looks {
            let hasChanged = await refresh(&prints)
            if nudges.withLock({ $0.isPending }) || hold.isHolding && !hasChanged {
                await step(&prints, &hold, notifier)
            } else if hasChanged {
                await step(&prints, &hold, notifier, with: await settle(&prints))
            }
        }
    }

    /// Waits until one debounce interval passes without a change, and answers what was read in the first one if it holds.
    ///
    /// A large manifest takes about as long to read as the wait is; most edits are one change, so the time is used.
    private func settle(_ prints: inout FingerprintSet) async -> ManifestReading? {
        for look in 0..<ManifestWatcher.debounceLimit {
            async let early = look == 0 ? offPool { self.read() } : nil
            guard (try? await clock.sleep(for: debounce)) != nil else { return nil }
            if await !refresh(&prints) { return await early }
        }
        return nil
    }

    /// One reading, of files whose fingerprints were taken before it: a change during it is one to the next look.
    ///
    /// It answers every nudge that came before; an early reading does not, since it may be older than a nudge.
    private func step(
        _ prints: inout FingerprintSet,
        _ hold: inout ReadingHold,
        _ notifier: DirectoryNotifier?,
        with early: ManifestReading? = nil
    ) async {
        let (isNudged, isConfirmed, waiters) = nudges.withLock { $0.take() }
        notifier?.watch(Set(prints.paths))
        var reading: ManifestReading
        if let early, !isNudged { reading = early } else { reading = await offPool { self.read() } }
        for _ in 0..<ManifestWatcher.rereadLimit where Set(prints.paths) != reading.watched {
            notifier?.watch(reading.watched)
            prints = await fingerprints(of: reading.watched)
            reading = await offPool { self.read() }
        }
        let files = prints.files
        // Who asks for a reading gets it as it is.
        if isNudged || !hold.losesTunnels(reading) {
            hold.delivered(reading, files: files)
            await deliver(reading, isConfirmed)
        } else if await mayDeliver(reading, of: files, settled: notifier?.settled ?? [:], &hold) {
            // The writer may have ended between that reading and the look for writers.
            let whole = await offPool { self.read() }
            hold.delivered(whole, files: files)
            await deliver(whole, isConfirmed)
        }
        for waiter in waiters { waiter.resume() }
    }

    private func mayDeliver(
        _ reading: ManifestReading,
        of files: [String: FileState],
        settled: [String: FileState],
        _ hold: inout ReadingHold
    ) async -> Bool {
        let writers = await offPool { self.writers(reading.watched) }
        let wasHolding = hold.isHolding
        let evidence = ReadingHold.Evidence(writers: writers, files: files, settled: settled)
        let isAdmitted = hold.admits(reading, evidence, poll: polls.withLock { $0 })
        let names = hold.lostNames.sorted().prefix(5).joined(separator: ", ")
        if !isAdmitted, !wasHolding {
            logger.warning(
                writers == .open
                    ? "a file of the manifest is still being written; tunnels that it has lost stay until it is closed"
                    : "a file of the manifest may still be written; tunnels that it has lost stay until it is at rest",
                metadata: ["tunnels": "\(names)"]
            )
        } else if isAdmitted, writers == .open {
            logger.warning(
                "a file of the manifest stays open for writing; it is taken as it is",
                metadata: ["tunnels": "\(names)"]
            )
        }
        return isAdmitted
    }

    private func fingerprints(of paths: Set<String>) async -> FingerprintSet {
        await offPool { FingerprintSet(paths: paths) }
    }

    private func refresh(_ prints: inout FingerprintSet) async -> Bool {
        let present = prints
        let (fresh, changed) = await offPool {
            var fresh = present
            let changed = fresh.refresh()
            return (fresh, changed)
        }
        prints = fresh
        return changed
    }

    /// Runs blocking file work on its own queue instead of a thread of the shared pool.
    private func offPool<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: work()) }
        }
    }
}
