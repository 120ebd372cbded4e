/// How the daemon was started, for `/info`.
package struct DaemonFacts: Sendable {
    /// The host of the listening address.
    package var name: String
    package var log: String
    package var tls: String
    package var certificate: String
    package var privateKey: String
    package let started: ContinuousClock.Instant

    package init(
        name: String,
        log: String = "",
        tls: String = "0",
        certificate: String = "",
        privateKey: String = "",
        started: ContinuousClock.Instant = .now
    ) {
        self.name = name
        self.log = log
        self.tls = tls
        self.certificate = certificate
        self.privateKey = privateKey
        self.started = started
    }
}
