import Glibc
import ServiceLifecycle
import UnixSignals

/// Calls what the program does on SIGHUP, SIGTERM and SIGINT.
///
/// The first SIGTERM or SIGINT shuts down gracefully, a second one exits at once. Signals are
/// trapped from `init` on, because a service manager may stop the process as soon as it has
/// started.
struct SignalService: Sendable {
    private let signals: UnixSignalsSequence
    private let onReload: @Sendable () -> Void
    private let onStop: @Sendable () async -> Void

    init(onReload: @Sendable @escaping () -> Void, onStop: @Sendable @escaping () async -> Void) async {
        signals = await UnixSignalsSequence(trapping: .sighup, .sigterm, .sigint)
        self.onReload = onReload
        self.onStop = onStop
    }

    /// Runs until its task is cancelled.
    func run() async {
        var isStopping = false
        for await signal in signals {
            if signal == .sighup {
                onReload()
            } else if isStopping {
                _exit(1)
            } else {
                isStopping = true
                await onStop()
            }
        }
    }
}
