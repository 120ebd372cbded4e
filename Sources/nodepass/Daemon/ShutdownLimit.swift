import Glibc

/// How long the daemon may take to stop, and why, so that it ends before it is killed.
struct ShutdownLimit: Sendable, Hashable {
    /// Docker kills after 10 s, of which some are needed for the rest of the daemon.
    static let inContainer = Duration.seconds(8)
    /// systemd kills after 90 s, unless the unit says otherwise.
    static let longest = Duration.seconds(90)
    /// Beyond the drains, for everything else that has to end.
    static let margin = Duration.seconds(1)

    let duration: Duration
    /// Follows the duration in the log.
    let reason: String

    /// `given` is the option; `longestDrain` is what the connections there are may need.
    init(given: Duration?, longestDrain: Duration, isContained: Bool) {
        if let given {
            duration = given
            reason = "--shutdown-timeout"
        } else if isContained, longestDrain > Self.inContainer {
            duration = Self.inContainer
            reason = "in a container; --shutdown-timeout sets another limit"
        } else {
            duration = min(longestDrain, Self.longest)
            reason = "the longest drain"
        }
    }

    /// Of one tunnel in the foreground: its `drain`, or less.
    ///
    /// `otherwise` is the limit when the option is not `given`.
    init(drain: Duration, given: Duration?, otherwise: Duration) {
        let limit = given ?? otherwise
        duration = min(drain, limit)
        if drain <= limit {
            reason = "the tunnel's drain"
        } else {
            reason = given == nil ? "--shutdown-timeout sets another limit" : "--shutdown-timeout"
        }
    }

    /// The longest of all that `init` may come to.
    static func upperBound(given: Duration?, isContained: Bool) -> Duration {
        given ?? (isContained ? inContainer : longest)
    }

    /// Whether someone stops this process who waits a few seconds only: it is the first of its
    /// container, or anything else there.
    static func isContained(
        environment: [String: String],
        processID: Int32 = getpid(),
        exists: (String) -> Bool = { access($0, F_OK) == 0 }
    ) -> Bool {
        if processID == 1 { return true }
        // systemd sets `container` for services of a container, Kubernetes the other in each pod.
        let variables = ["container", "KUBERNETES_SERVICE_HOST"]
        if variables.contains(where: { environment[$0]?.isEmpty == false }) { return true }
        return exists("/.dockerenv") || exists("/run/.containerenv")
    }
}
