import Config
import NIOCore
import NIOSSL
import Testing

@testable import TestSupport
@testable import Tunnel

extension TwoEnded {
    @Suite("Observers and others in the middle of a sealed tunnel")
    struct TapTests {
        /// Attempts under way at once.
        private static let parallel = 8

        /// A server alone, whose handshakes time out soon.
        private func withServer(
            tls: TLSMode? = nil,
            patience: Duration = .seconds(1),
            _ body: @Sendable (TunnelEngine, EngineLog, Int) async throws -> Void
        ) async throws {
            var environment = TunnelEnvironment.brisk
            environment.handshakeTimeout = patience
            let spec = try TunnelSpec.server(.two, target: try deadPort(), tls: tls)
            try await withKeptLog(environment: environment) { engine, log in
                try await body(engine, log, await engine.start(spec))
            }
        }

        /// One change of one byte on its way.
        private struct Flip: Sendable {
            let direction: WireTap.Direction
            let position: Int

            func apply(to chunk: WireTap.Chunk) -> [UInt8] {
                let index = position - chunk.offset
                guard chunk.direction == direction, chunk.bytes.indices.contains(index) else { return chunk.bytes }
                var bytes = chunk.bytes
                bytes[index] ^= UInt8(1) << UInt8(position % 8)
                return bytes
            }
        }

        /// Every flip of the bytes that pass where nothing is changed, `step` apart.
        private func flips(_ record: [WireTap.Chunk], step: Int = 1) -> [Flip] {
            [WireTap.Direction.toServer, .toClient].flatMap { direction in
                let length = record.filter { $0.direction == direction }.map(\.bytes.count).reduce(0, +)
                return stride(from: 0, to: length, by: step).map { Flip(direction: direction, position: $0) }
            }
        }

        /// Tries a handshake with each flip; none may lead to a session at the client.
        ///
        /// `harmless` are flips of what means nothing, such as a TLS record's version (RFC 8446 §5.1): then the
        /// terms are those of a handshake that nobody has changed. Returns how many of them there were.
        @discardableResult
        private func expectNoticed(
            _ flips: [Flip],
            server: Int,
            interception: WireTap.Interception = .none,
            harmless: HandshakeTerms? = nil
        ) async throws -> Int {
            let next = Awaited(flips)
            let unnoticed = Awaited(0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<Self.parallel {
                    group.addTask {
                        let current = Awaited<Flip?>(nil)
                        let tap = try await WireTap.start(
                            server: server,
                            interception: interception,
                            firstSource: number * 2000
                        ) { chunk in
                            current.current?.apply(to: chunk) ?? chunk.bytes
                        }
                        while let flip = next.change({ $0.popLast() }) {
                            current.change { $0 = flip }
                            guard let outcome = try? await SealedCaller(patience: .milliseconds(500)).call(tap.port)
                            else { continue }
                            #expect(outcome.agreement.terms.isSame(as: harmless), "\(flip)")
                            unnoticed.change { $0 += 1 }
                        }
                        await tap.stop()
                    }
                }
                try await group.waitForAll()
            }
            return unnoticed.current
        }

        /// What passes in a handshake that nobody changes.
        private func recordOfOne(
            server: Int,
            interception: WireTap.Interception = .none
        ) async throws -> [WireTap.Chunk] {
            let tap = try await WireTap.start(server: server, interception: interception)
            try await SealedCaller().call(tap.port)
            await tap.stop()
            return tap.record
        }

        @Test("a changed byte of either head, or of TLS, is noticed")
        func outside() async throws {
            try await withServer { _, log, port in
                let record = try await recordOfOne(server: port)
                let heads = record.filter { $0.offset == 0 }
                #expect(heads.count == 2)
                let ofHeads = flips(heads)
                let lengths = heads.map(\.bytes.count)
                let ofTLS = flips(record, step: 11).filter { $0.position >= (lengths.max() ?? 0) }
                #expect(ofHeads.count > 200 && ofTLS.count > 50)
                let begun = { try await log.lines().count { $0.message.hasPrefix("Sending tunnel config") } }
                let before = try await begun()
                try await expectNoticed(ofHeads, server: port)
                #expect(try await begun() == before)
                let terms = try await SealedCaller().call(port).agreement.terms
                #expect(try await expectNoticed(ofTLS, server: port, harmless: terms) < ofTLS.count / 4)
            }
        }

        @Test("anyone who has another certificate in the middle gets no further than the server's proof")
        func otherCertificate() async throws {
            try await withServer { engine, log, port in
                let tap = try await WireTap.start(
                    server: port,
                    interception: .behindUpgrade(try ReferenceCertificate().serverContext())
                )
                let error = await #expect(throws: TunnelError.self) { try await SealedCaller().call(tap.port) }
                #expect(error?.reason == .authFailed)
                try await engine.wait("00000001", for: "the guess") { $0.rejected == 1 }
                #expect(try await !log.lines().contains { $0.message.hasPrefix("Sending tunnel config") })
                // The client's share and the server's proof, and nothing after them.
                let inside = tap.record.filter { !$0.bytes.starts(with: Array("GET ".utf8)) && $0.offset > 0 }
                #expect(inside.map(\.bytes.count) == [34, 66])
                await tap.stop()
            }
        }

        @Test("a changed byte of any message is noticed, even by someone who has the certificate's private key")
        func inside() async throws {
            let directory = try TemporaryDirectory()
            let files = try TestAuthority().issue(to: ["tunnel.test"]).write(to: directory)
            try await withServer(tls: files) { _, log, port in
                let stolen = try #require(try ServerCredentials(files)).current().context
                let record = try await recordOfOne(server: port, interception: .behindUpgrade(stolen))
                let heads = record.filter { $0.offset == 0 }.map { ($0.direction, $0.bytes.count) }
                let messages = flips(record).filter { flip in
                    heads.contains { $0.0 == flip.direction && flip.position >= $0.1 }
                }
                #expect(messages.count > 300)
                let isAnswer = { (flip: Flip) in
                    let head = heads.first { $0.0 == .toClient }?.1 ?? 0
                    return flip.direction == .toClient && flip.position >= head + 66
                }
                let begun = { try await log.lines().count { $0.message.hasPrefix("Sending tunnel config") } }
                let before = try await begun()
                try await expectNoticed(
                    messages.filter { !isAnswer($0) },
                    server: port,
                    interception: .behindUpgrade(stolen)
                )
                #expect(try await begun() == before)
                try await expectNoticed(messages.filter(isAnswer), server: port, interception: .behindUpgrade(stolen))
                try await SealedCaller().call(port)
            }
            withExtendedLifetime(directory) {}
        }

        @Test(
            "links whose TLS ends in the middle are refused by the client, and no user's byte passes there",
            arguments: [false, true]
        )
        func interceptedLinks(_ hasAuthority: Bool) async throws {
            let directory = try TemporaryDirectory()
            let authority = try TestAuthority()
            var environment = TunnelEnvironment.brisk
            environment.certificateAuthorities = try directory.write(authority.pem, to: "authority.pem")
            let files = try authority.issue(to: ["tunnel.test"]).write(to: directory, as: "own")
            let others = try authority.issue(to: ["tunnel.test"]).write(to: directory, as: "other")
            let target = try await EchoServer.start()
            var ends = try TwoEnds(.forward, to: target.port, tls: hasAuthority ? files : .selfSigned)
            let forged = try #require(try ServerCredentials(others)).current().context
            let tap = try await WireTap.start(server: Int(ends.server.tunnel.port), interception: .ofLinks(forged))
            ends.client.tunnel = Endpoint(host: "127.0.0.1", port: UInt16(tap.port))
            ends.client.sni = "tunnel.test"
            if hasAuthority { ends.client.tls = .verified }
            let made = ends
            try await withKeptLog(environment: environment) { engine, _ in
                await made.run(on: engine)
                let status = try await engine.wait(TwoEnds.clientID, for: "the refusal") {
                    $0.message.contains("the connection is intercepted")
                }
                #expect(status.reason == (hasAuthority ? .peerUnreachable : .tlsFingerprintMismatch))
                #expect(status.phase == .backoff)
                #expect(status.listening.isEmpty)
                #expect(!status.transitions.contains { $0.phase == .ready })
            }
            await tap.stop()
            withExtendedLifetime(directory) {}
        }

        @Test("100 recorded handshakes, in any order and without any header, open nothing and end nothing")
        func recordings() async throws {
            let target = try await EchoServer.start()
            var ends = try TwoEnds(.reverse, to: target.port)
            let port = Int(ends.server.tunnel.port)
            let tap = try await WireTap.start(server: port)
            ends.client.tunnel = Endpoint(host: "127.0.0.1", port: UInt16(tap.port))
            let made = ends
            try await withKeptLog { engine, log in
                await engine.run(TwoEnds.serverID, spec: made.server, generation: 0, releaseFirst: false)
                for _ in 0..<100 { try await SealedCaller().call(tap.port) }
                let recorded = Dictionary(grouping: tap.record.filter { $0.direction == .toServer }, by: \.connection)
                    .values.map { chunks in chunks.map(\.bytes) }
                #expect(recorded.count == 100)
                await engine.run(TwoEnds.clientID, spec: made.client, generation: 0, releaseFirst: false)
                try await made.ready(on: engine)
                let since = engine.snapshot().mapValues(\.readySince)
                let begun = try await log.lines().count { $0.message.hasPrefix("Sending tunnel config") }
                var random = SeededRandom(seed: 1)
                var attempts: [[[UInt8]]] = recorded + recorded.map { $0.shuffled(using: &random) }
                for _ in 0..<100 {
                    let parts = (0..<4).map { _ in
                        recorded.randomElement(using: &random)?.randomElement(using: &random) ?? []
                    }
                    attempts.append(parts)
                }
                let head = String(decoding: recorded[0][0], as: UTF8.self)
                let lines = head.split(separator: "\r\n")
                for index in lines.indices {
                    let rest = lines.enumerated().filter { $0.offset != index }.map { String($0.element) }
                    attempts.append(
                        [Array((rest + ["", ""]).joined(separator: "\r\n").utf8)] + recorded[0].dropFirst()
                    )
                }
                for (number, attempt) in attempts.enumerated() {
                    let source = "127.2.\(number / 250).\(number % 250 + 1)"
                    let link = try await ReferenceLink.connect(port: port, from: source)
                    for part in attempt { try? await link.write(ByteBuffer(bytes: part)) }
                    try? await link.endOutput()
                    let answer = String(buffer: try await link.readToEnd())
                    #expect(
                        ["HTTP/1.1 101 ", "HTTP/1.1 401 ", "HTTP/1.1 400 ", ""].contains(String(answer.prefix(13)))
                    )
                    await link.close()
                }
                #expect(try await TestClient.echo("still here", port: made.port) == "still here")
                #expect(engine.snapshot().mapValues(\.readySince) == since)
                #expect(try await log.lines().count { $0.message.hasPrefix("Sending tunnel config") } == begun)
                #expect(engine.snapshot()[TwoEnds.serverID]?.rejected ?? 0 >= attempts.count - 100)
            }
            await tap.stop()
        }
    }
}

extension HandshakeTerms {
    /// Whether both say the same, each in a session of its own.
    fileprivate func isSame(as other: HandshakeTerms?) -> Bool {
        guard var other else { return false }
        other.nonce = nonce
        return self == other
    }
}
