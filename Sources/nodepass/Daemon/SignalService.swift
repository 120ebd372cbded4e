import Glibc
import ServiceLifecycle
import UnixSignals

/// Turns the process's signals into what the program does about them.
///
/// The first SIGTERM or SIGINT asks to leave in peace, a second one leaves at once. They are trapped from the beginning:
/// whoever has been told that we have started may stop us right away.
struct SignalService: Sendable {
    private let signals: UnixSignalsSequence
    private let onReload: @Sendable () -> Void
    private let onStop: @Sendable () async -> Void

    init(onReload: @Sendable @escaping () -> Void, onStop: @Sendable @escaping () async -> Void) async {
        signals = await UnixSignalsSequence(trapping: .sighup, .sigterm, .sigint)
        self.onReload = onReload
        self.onStop = onStop
    }

    /// Ends with the task it runs in.
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
