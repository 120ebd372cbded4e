import ServiceLifecycle
import UnixSignals

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Turns the process's signals into what the program does about them.
///
/// The first SIGTERM or SIGINT asks to leave in peace, a second one leaves at once.
struct SignalService: Sendable {
    let onReload: @Sendable () -> Void
    let onStop: @Sendable () async -> Void

    /// Ends with the task it runs in.
    func run() async {
        var isStopping = false
        for await signal in await UnixSignalsSequence(trapping: .sighup, .sigterm, .sigint) {
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
