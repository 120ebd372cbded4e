import Config
import Glibc

/// Why a command could not do its work: what, where, and what to try.
struct CommandFailure: Error {
    let message: String
    /// The command line itself is wrong, so that the usage helps.
    var showsUsage = false
}

extension CommandFailure {
    /// Peers and daemons may have a part in it.
    var printableMessage: String { PlainText.lines(message) }

    /// A daemon or tunnel of a URL that did not start, in the words that NodePass's scripts look
    /// for.
    init(startingFailed error: any Error) {
        let failure = error as? CommandFailure
        self.init(
            message: "start: \(failure?.message ?? "\(error)") [\(getpid())]",
            showsUsage: failure?.showsUsage ?? false
        )
    }
}
