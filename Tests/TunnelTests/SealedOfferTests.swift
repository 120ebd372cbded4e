import Config
import TestSupport
import Testing

@testable import Tunnel

@Suite("The request for a sealed handshake, and its answers")
struct SealedOfferTests {
    private let nonce = [UInt8](1...16)

    private func parsed(_ text: String) -> HandshakeRequest? {
        guard case .request(let request) = HandshakeRequest.parse(text.utf8) else { return nil }
        return request
    }

    private func lines(_ text: String) -> [Substring] {
        text.dropLast(2).split(separator: "\r\n", omittingEmptySubsequences: false)
    }

    @Test("a server reads what a client asks for, and both take the same heads", arguments: [false, true])
    func agreement(_ isBehindProxy: Bool) throws {
        let (offer, text) = SealedOffer.make(host: "edge", isBehindProxy: isBehindProxy, nonce: nonce)
        let request = try #require(parsed(text))
        #expect(request.sealedOffer == offer)
        #expect(request.token == nil && request.clientID == nil && request.extensions.isEmpty)
        #expect(!text.contains("Authorization") && !text.contains("NodePass-Client"))
        let (head, answer) = try #require(request.sealedOffer).acceptance(nonce: nonce.reversed())
        let read = try #require(offer.readAcceptance(lines(answer)))
        #expect(read.nonce == nonce.reversed() && read.head == head)
        #expect(head.isEmpty == isBehindProxy && offer.head.isEmpty == isBehindProxy)
    }

    @Test("the ends see different heads when someone says that there is a proxy")
    func claimedProxy() throws {
        let (offer, text) = SealedOffer.make(host: "edge", isBehindProxy: false, nonce: nonce)
        let changed = text.replacing("Host: edge\r\n", with: "Host: edge\r\nNodePass-Heads: unbound\r\n")
        let seen = try #require(parsed(changed)?.sealedOffer)
        #expect(seen.head != offer.head)
    }

    @Test(
        "anything else is a request of v1.14, without a token",
        arguments: ["nodepass-sealed/2", "websocket", "nodepass-sealed/1\r\nX: y"]
    )
    func others(_ upgrade: String) throws {
        let (_, text) = SealedOffer.make(host: "edge", isBehindProxy: false, nonce: nonce)
        let other = try #require(parsed(text.replacing("nodepass-sealed/1", with: upgrade)))
        #expect((other.sealedOffer == nil) == !upgrade.hasPrefix("nodepass-sealed/1"))
        let short = try #require(parsed(text.replacing("0102", with: "")))
        #expect(short.sealedOffer == nil)
        #expect(short.problem(token: HandshakeToken(tunnelKey: "secret")) == .unauthorized)
    }

    @Test("bytes behind the request are refused: they would be of a protocol that has not begun")
    func early() {
        let (_, text) = SealedOffer.make(host: "edge", isBehindProxy: false, nonce: nonce)
        guard case .malformed = HandshakeRequest.parse((text + "x").utf8) else {
            Issue.record("not refused")
            return
        }
    }

    @Test("an answer comes back as it was given, and terms without the extensions of a sealed session are refused")
    func answers() throws {
        var terms = HandshakeTerms(
            flow: .reverse,
            max: 7,
            tls: 1,
            transport: .tcp,
            extensions: Set(SessionExtension.allCases),
            nonce: nonce
        )
        let read = try SealedAnswer(bytes: SealedAnswer(.terms(terms)).bytes)
        #expect(read == .terms(terms))
        let refusal = try SealedAnswer(bytes: SealedAnswer(.refused(.taken(by: "192.0.2.1"))).bytes)
        #expect(refusal == .refused(status: 409, "This tunnel is in use by another client (192.0.2.1)."))
        for needed in SessionExtension.ofEverySealedSession {
            terms.extensions = Set(SessionExtension.allCases).subtracting([needed])
            #expect(throws: HandshakeProblem.self) { try SealedAnswer(bytes: SealedAnswer(.terms(terms)).bytes) }
        }
        #expect(throws: HandshakeProblem.self) { try SealedAnswer(bytes: Array("{}".utf8)) }
    }
}
