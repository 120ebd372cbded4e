import NIOCore
import NIOEmbedded
import Testing

@testable import Tunnel

@Suite("Which certificates a sealed session's links may show")
struct CertificatePinTests {
    private let loop = EmbeddedEventLoop()

    private func pin(mayChange: Bool = true, isNamed: Bool = true, canHear: Bool = true) -> CertificatePin {
        let pin = CertificatePin("old", mayChange: mayChange, isNamed: isNamed, loop: loop)
        pin.canHear = canHear
        return pin
    }

    /// What has come of a link by now; nil where it waits.
    private func outcome(_ link: EventLoopFuture<Void>) -> Result<Void, any Error>? {
        var outcome: Result<Void, any Error>?
        link.assumeIsolated().whenComplete { outcome = $0 }
        loop.run()
        return outcome
    }

    private func isAdmitted(_ link: EventLoopFuture<Void>) -> Bool? {
        outcome(link).map { if case .success = $0 { true } else { false } }
    }

    private func reason(_ link: EventLoopFuture<Void>) -> TunnelReason? {
        guard case .failure(let error)? = outcome(link) else { return nil }
        return (error as? TunnelError)?.reason
    }

    @Test("a new certificate is accepted once the server has named it, before or after its link, and the old one stays")
    func renewed() {
        let pin = pin()
        #expect(isAdmitted(pin.admit("old")) == true)
        let early = pin.admit("new")
        #expect(isAdmitted(early) == nil)
        pin.learn("other")
        #expect(isAdmitted(early) == nil)
        pin.learn("new")
        #expect(isAdmitted(early) == true)
        #expect(isAdmitted(pin.admit("new")) == true)
        #expect(isAdmitted(pin.admit("old")) == true)
    }

    @Test("one that the server does not name in time is refused")
    func unnamed() {
        let pin = pin()
        let link = pin.admit("new")
        loop.advanceTime(by: TimeAmount(TunnelLimits.certificateWait) - .nanoseconds(1))
        #expect(isAdmitted(link) == nil)
        loop.advanceTime(by: .nanoseconds(1))
        #expect(reason(link) == .peerUnreachable)
        pin.learn("new")
        #expect(isAdmitted(pin.admit("new")) == true)
    }

    @Test("nothing waits where no name can come, or none is due")
    func noWait() {
        #expect(reason(pin(canHear: false).admit("new")) == .peerUnreachable)
        #expect(reason(pin(isNamed: false).admit("new")) == .peerUnreachable)
        #expect(reason(pin(mayChange: false).admit("new")) == .tlsFingerprintMismatch)
        #expect(reason(pin().admit(nil)) == .peerUnreachable)
    }

    @Test("a server that names any number of certificates is kept the newest of")
    func bounded() {
        let pin = pin()
        for number in 1...TunnelLimits.sessionCertificates { pin.learn("\(number)") }
        #expect(isAdmitted(pin.admit("1")) == true)
        #expect(isAdmitted(pin.admit("old")) == nil)
    }
}
