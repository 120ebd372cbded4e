import Config
import NIOCore
import Testing

@testable import Tunnel

@Suite("Which requests a server lets in")
struct HandshakeJudgeTests {
    private typealias Judge = HandshakeJudge

    private static let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private static let downgrade = Judge.Verdict.refused(
        .unauthorized,
        why: "it takes the handshake of v1.14 only",
        report: .peerDowngraded
    )

    private static func plain(_ key: String = "secret", method: String = "GET", path: String = "/") -> HandshakeRequest
    {
        let token = HandshakeToken(tunnelKey: key).text
        return HandshakeRequest(method: method, path: path, token: token, extensions: [], clientID: nil)
    }

    private static func sealed(path: String = "/", ticket: String? = nil) -> HandshakeRequest {
        let nonce = SealedHandshake.makeNonce()
        var request = HandshakeRequest(method: "GET", path: path, token: nil, extensions: [], clientID: nil)
        request.sealedOffer = SealedOffer.make(host: "h", isBehindProxy: false, nonce: nonce, ticket: ticket).offer
        return request
    }

    private static func verdict(
        _ policy: HandshakePolicy,
        _ request: HandshakeRequest,
        _ knowledge: Judge.Knowledge = Judge.Knowledge()
    ) -> Judge.Verdict {
        var judge = Judge(policy: policy, tunnelKey: "secret")
        return judge.judge(request, from: "192.0.2.1", knowledge, now: now)
    }

    @Test("the handshake of v1.14 is taken as the policy, the memory and the present session say")
    func plainRequests() {
        for isPeerSealed in [false, true] {
            for hasSealedSession in [false, true] {
                let known = Judge.Knowledge(isPeerSealed: isPeerSealed, hasSealedSession: hasSealedSession)
                #expect(Self.verdict(.compatible, Self.plain(), known) == .admitted)
                #expect(Self.verdict(.sealed, Self.plain(), known) == Self.downgrade)
                let isLess = isPeerSealed || hasSealedSession
                #expect(Self.verdict(.auto, Self.plain(), known) == (isLess ? Self.downgrade : .admitted))
            }
        }
    }

    @Test(
        "a wrong token, method or path is answered as v1.14 does, whatever the policy",
        arguments: HandshakePolicy.allCases
    )
    func wrongRequests(_ policy: HandshakePolicy) {
        let wrongKey = Judge.Verdict.refused(.unauthorized, why: "handshake answered 401", report: .authFailed)
        #expect(Self.verdict(policy, Self.plain("other")) == wrongKey)
        #expect(
            Self.verdict(policy, Self.plain(method: "POST"))
                == .refused(.methodNotAllowed, why: "handshake answered 405")
        )
        #expect(Self.verdict(policy, Self.plain(path: "/x")) == .refused(.notFound, why: "handshake answered 404"))
    }

    @Test("a sealed handshake is taken unless the policy is that of v1.14, which answers as v1.14 and counts nothing")
    func sealedRequests() {
        for policy in [HandshakePolicy.auto, .sealed] {
            #expect(Self.verdict(policy, Self.sealed()) == .admitted)
            #expect(Self.verdict(policy, Self.sealed(path: "/x")) == .refused(.notFound, why: "handshake answered 404"))
        }
        var judge = Judge(policy: .compatible, tunnelKey: "secret")
        for _ in 0..<100 {
            #expect(judge.judge(Self.sealed(), from: "a", Judge.Knowledge(), now: Self.now) == .refused(.unauthorized))
        }
        #expect(judge.judge(Self.plain(), from: "a", Judge.Knowledge(), now: Self.now) == .admitted)
    }

    @Test("a sealed handshake counts as a guess until its client is proven")
    func guesses() {
        var judge = Judge(policy: .auto, tunnelKey: "secret")
        for _ in 0..<100 {
            #expect(judge.judge(Self.sealed(), from: "a", Judge.Knowledge(), now: Self.now) == .admitted)
            judge.proven("a")
        }
        for _ in 0..<TunnelLimits.handshakeFailures {
            #expect(judge.judge(Self.sealed(), from: "a", Judge.Knowledge(), now: Self.now) == .admitted)
        }
        let full = Judge.Verdict.refused(.tooManyAttempts, why: "too many failed handshakes")
        #expect(judge.judge(Self.sealed(), from: "a", Judge.Knowledge(), now: Self.now) == full)
        #expect(judge.judge(Self.plain(), from: "a", Judge.Knowledge(), now: Self.now) == full)
    }

    @Test("from an address that others have failed from, a client of a former session is let in to prove itself")
    func tickets() {
        var judge = Judge(policy: .auto, tunnelKey: "secret")
        judge.issue(["one", "two"])
        for _ in 0..<TunnelLimits.handshakeFailures {
            _ = judge.judge(Self.sealed(ticket: "guess"), from: "a", Judge.Knowledge(), now: Self.now)
        }
        let answers = ["three", "one", "one", "two"].map {
            judge.judge(Self.sealed(ticket: $0), from: "a", Judge.Knowledge(), now: Self.now) == .admitted
        }
        #expect(answers == [false, true, false, true])
    }

    @Test("tickets are kept up to a number, the newest ones, and each is good once")
    func ticketBook() {
        var book = TicketBook()
        for number in 0..<1000 {
            book.issue(["\(number)"])
            let isTaken = number % 3 == 0 && book.take("\(number)")
            #expect(isTaken == (number % 3 == 0))
        }
        let left = (0..<1000).filter { book.take("\($0)") }
        #expect(left == (1000 - TunnelLimits.rememberedTickets..<1000).filter { $0 % 3 != 0 })
        let again = (0..<1000).contains { book.take("\($0)") }
        #expect(!again)
    }

    @Test("a right token that is refused counts as a wrong one, so that the two cannot be told apart")
    func rightToken() {
        var (right, wrong) = (Judge(policy: .sealed, tunnelKey: "secret"), Judge(policy: .sealed, tunnelKey: "secret"))
        for _ in 0..<(TunnelLimits.handshakeFailures + 2) {
            let answers = [
                right.judge(Self.plain(), from: "a", Judge.Knowledge(), now: Self.now),
                wrong.judge(Self.plain("other"), from: "a", Judge.Knowledge(), now: Self.now),
            ]
            let statuses = answers.map { verdict in
                if case .refused(let refusal, _, _) = verdict { refusal.status } else { 200 }
            }
            #expect(statuses[0] == statuses[1] && statuses[0] != 200)
        }
    }
}
