import API
import Config
import Glibc
import Reconciler
import Tunnel

/// Why a command could not do its work: what, where, and what to try.
struct CommandFailure: Error {
    let message: String
    /// The command line itself is wrong, so that the usage helps.
    var showsUsage = false
    /// The command line itself is wrong; scripts tell it from work that failed by the exit code.
    ///
    /// A tunnel's URL that cannot be read is not: NodePass exits with 1.
    var isUsage = false
    /// Of the log of a daemon or tunnel that could not run; nil for other commands.
    var logFormat: LogFormat?
}

extension CommandFailure {
    /// Peers and daemons may have a part in it.
    var printableMessage: String { PlainText.lines(message) }

    /// What standard error gets instead of the words and the usage where programs read it.
    var lineForPrograms: String? {
        logFormat.flatMap { LogStyle.lineForPrograms(.error, message, $0) }
    }

    /// A daemon that could not run; `logFormat` is what its option says.
    init(ending error: any Error, logFormat: String?) {
        let failure = error as? CommandFailure
        self.init(
            message: failure?.message ?? Self.words(for: error),
            showsUsage: failure?.showsUsage ?? false,
            isUsage: failure?.isUsage ?? false,
            logFormat: LogFormat(namedIfKnown: logFormat)
        )
    }

    /// The words of what a daemon ends with, and of the libraries below it.
    static func words(for error: any Error) -> String {
        switch error {
        case let error as StateStoreError: error.description
        case let error as APIListener.Failure: error.description
        default: ErrorText.words(for: error)
        }
    }

    /// A daemon or tunnel of a URL that did not start, in the words that NodePass's scripts look
    /// for.
    init(startingFailed error: any Error, logFormat: String?) {
        let failure = CommandFailure(ending: error, logFormat: logFormat)
        self.init(
            message: "start: \(failure.message) [\(getpid())]",
            showsUsage: failure.showsUsage,
            isUsage: failure.isUsage,
            logFormat: failure.logFormat
        )
    }
}
