package import FoundationEssentials
package import Logging
import ServiceLifecycle

/// Writes what tunnels did into the store: every five seconds for an hour, and by the minute for a week.
package actor HistoryRecorder: Service {
    private let store: StateStore
    private let host: any InstanceHost
    private let clock: any Clock<Duration>
    private let now: @Sendable () -> Date
    private let logger: Logger
    private var sampler = HistorySampler()
    /// The last minute that was put together, as the end of it; nil before the first.
    private var foldedUpTo: Int64?
    private var isFailing = false

    package init(
        store: StateStore,
        host: any InstanceHost,
        logger: Logger,
        clock: any Clock<Duration> = ContinuousClock(),
        now: @escaping @Sendable () -> Date = { Date() }
    ) {
        self.store = store
        self.host = host
        self.logger = logger
        self.clock = clock
        self.now = now
    }

    /// Samples until graceful shutdown or cancellation, and once more then.
    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await self.sleepToNextStep()) != nil { await self.sample() }
        }
        await sample()
    }

    private func sleepToNextStep() async throws {
        let step = Double(HistoryResolution.fine.stepSeconds)
        let left = step - now().timeIntervalSince1970.truncatingRemainder(dividingBy: step)
        try await clock.sleep(for: .seconds(left))
    }

    /// Takes one sample of every tunnel, and puts minutes together that have become whole.
    package func sample() async {
        let seconds = Int64(now().timeIntervalSince1970.rounded())
        let time = HistoryResolution.fine.stepEnd(seconds)
        let reading = sampler.read(host.snapshot(), at: time)
        do {
            try await store.append(reading)
            sampler.keep(reading)
            try await fold(upTo: time)
            isFailing = false
        } catch {
            // A stop ends what is being written; the next start goes on from what is stored.
            guard !Task.isCancelled else { return }
            if !isFailing { logger.warning("history not stored", metadata: ["reason": "\(error)"]) }
            isFailing = true
        }
    }

    private func fold(upTo time: Int64) async throws(StateStoreError) {
        let minute = HistoryResolution.minutes.stepSeconds
        let whole = time / minute * minute
        // The clock may have been put back.
        guard whole != foldedUpTo else { return }
        try await store.foldHistory(upTo: whole)
        foldedUpTo = whole
    }
}
