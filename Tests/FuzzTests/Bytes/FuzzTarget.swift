import Config
import NIOCore
import NIOEmbedded

@testable import Tunnel

/// What reads bytes that may come from a stranger; each has a check that must hold for all bytes.
enum FuzzTarget: String, CaseIterable {
    case manifest
    case url
    case json
    case handshakeRequest = "handshake-request"
    case handshakeReply = "handshake-reply"
    case signals
    case link
    case datagrams
    case gob
    case sealed
    case sealedProof = "sealed-proof"
    case websocket
    case http2

    /// Feeds the bytes; returns what is wrong, or nil.
    func problem(with bytes: [UInt8]) -> String? {
        switch self {
        case .manifest: Self.manifest(bytes)
        case .url: Self.url(bytes)
        case .json: Self.json(bytes)
        case .handshakeRequest: Self.handshakeRequest(bytes)
        case .handshakeReply: Self.handshakeReply(bytes)
        case .signals: Self.signals(bytes)
        case .link: Self.link(bytes)
        case .datagrams: Self.datagrams(bytes)
        case .gob: Self.gob(bytes)
        case .sealed: Self.sealed(bytes)
        case .sealedProof: Self.sealedProof(bytes)
        case .websocket: Self.websocket(bytes)
        case .http2: HTTP2Feed.problem(with: bytes, segments: Self.segments(of: bytes))
        }
    }

    private static let reader = ManifestReader(environment: [:], workingDirectory: "/nowhere")

    /// A rejected manifest says why and where; what an accepted one declares has a URL that says the same.
    private static func manifest(_ bytes: [UInt8]) -> String? {
        let text = String(decoding: bytes, as: UTF8.self)
        let reading = reader.read(text: text, file: "fuzz.yaml", allowsIncludes: false)
        guard let manifest = reading.manifest else {
            return reading.hasErrors ? nil : "it is rejected without a diagnostic"
        }
        for declaration in manifest.tunnels where (try? TunnelURL.parse(declaration.spec.url)) == nil {
            return "the URL of '\(declaration.name)' cannot be read: \(declaration.spec.url)"
        }
        return nil
    }

    /// The canonical URL of what was read means the same, and no mask shows the key.
    private static func url(_ bytes: [UInt8]) -> String? {
        let text = String(decoding: bytes, as: UTF8.self)
        _ = TunnelURL.masked(text)
        guard let spec = try? TunnelURL.parse(text).spec else { return nil }
        guard let again = try? TunnelURL.parse(spec.url).spec else { return "\(spec.url) cannot be read" }
        return again.url == spec.url ? nil : "\(spec.url) becomes \(again.url)"
    }

    /// JSON that was read and written is the same when it is read again; as keys of a tunnel it is read or refused.
    private static func json(_ bytes: [UInt8]) -> String? {
        guard let value = try? JSONParser.parse(bytes) else { return nil }
        let text = value.compactText
        guard (try? JSONParser.parse(Array(text.utf8))) == value else { return "\(text) is something else" }
        guard case .object = value else { return nil }
        let (declaration, diagnostics) = reader.readTunnel(value, name: "fuzz")
        return declaration == nil && diagnostics.isEmpty ? "keys are refused without a diagnostic" : nil
    }

    /// The result does not depend on the segments that the bytes come in.
    private static func handshakeRequest(_ bytes: [UInt8]) -> String? {
        let whole = HandshakeRequest.parse(bytes)
        var head = HTTPHead()
        for segment in segments(of: bytes) {
            let parsed = HandshakeRequest.parse(head.append(segment))
            if parsed == .incomplete { continue }
            return parsed == whole ? nil : "\(parsed) in segments, \(whole) at once"
        }
        return whole == .incomplete ? nil : "incomplete in segments, \(whole) at once"
    }

    private static func handshakeReply(_ bytes: [UInt8]) -> String? {
        let whole = HandshakeReply.parse(bytes, isEnded: true)
        var reader = HandshakeReplyReader()
        var parsed = HandshakeReply.Parsed.incomplete
        var rest: [UInt8] = []
        for segment in segments(of: bytes) {
            if parsed == .incomplete { parsed = reader.append(segment) } else { rest += segment }
        }
        if parsed == .incomplete { parsed = reader.end() }
        // An accepted upgrade has no body: what has come with its head is the beginning of what follows.
        if case .reply(var reply) = parsed, reply.status == 101 {
            reply.body += rest
            parsed = .reply(reply)
        }
        guard parsed == whole else { return "\(parsed) in segments, \(whole) at once" }
        if case .reply(let reply) = whole { _ = try? HandshakeTerms(body: reply.body) }
        return nil
    }

    /// A signal that was read is the same when it is written and read again.
    private static func signals(_ bytes: [UInt8]) -> String? {
        var lines = SignalLines()
        lines.append(ByteBuffer(bytes: bytes))
        while let line = try? lines.next() {
            var codec = SignalCodec(tunnelKey: "key")
            guard let signal = try? codec.decode(line) else { continue }
            let again = Array(codec.encode(signal).readableBytesView.dropLast())
            guard (try? codec.decode(again)) == signal else { return "\(signal) is read as something else" }
        }
        return nil
    }

    /// A verdict on some bytes does not change when more come; a proof is read as it is written.
    private static func link(_ bytes: [UInt8]) -> String? {
        let sniffer = ProtocolSniffer(blocked: Set(BlockedProtocol.allCases))
        var verdict = ProtocolSniffer.Verdict.undecided
        for length in 0...min(bytes.count, 64) {
            let next = sniffer.judge(bytes.prefix(length))
            // Behind empty lines everything is still to be judged.
            let isFinal = verdict != .undecided && verdict != .blank
            if isFinal, next != verdict { return "after \(length) bytes \(verdict) becomes \(next)" }
            verdict = next
        }
        let start = Array(bytes.prefix(LinkProof.lengthBytes))
        guard let proof = LinkProof(start), proof.bytes != start else { return nil }
        return "a proof is written as something else"
    }

    /// Framed datagrams are the same whatever segments they come in.
    private static func datagrams(_ bytes: [UInt8]) -> String? {
        func read(_ segments: [ArraySlice<UInt8>]) -> [ByteBuffer] {
            let channel = EmbeddedChannel(handlers: [TLSRecordSplitter(), DatagramLinkCodec(isFramed: true)])
            defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
            var datagrams: [ByteBuffer] = []
            for segment in segments { _ = try? channel.writeInbound(ByteBuffer(bytes: segment)) }
            while let datagram = try? channel.readInbound(as: ByteBuffer.self) { datagrams.append(datagram) }
            return datagrams
        }
        return read(segments(of: bytes)) == read([bytes[...]]) ? nil : "the datagrams depend on the segments"
    }

    private static func gob(_ bytes: [UInt8]) -> String? {
        do throws(GobError) {
            _ = try GobReader.read(bytes)
            return nil
        } catch {
            return (0...bytes.count).contains(error.offset) ? nil : "byte \(error.offset) of \(bytes.count) is blamed"
        }
    }

    private static func sealed(_ bytes: [UInt8]) -> String? {
        var frames = SealedFrames()
        for segment in segments(of: bytes) {
            guard let message = try? frames.append(segment) else { continue }
            guard message.count <= SealedHandshake.messageLimitBytes else { return "a message is over the limit" }
            guard let request = try? SealedRequest(message) else { continue }
            guard (try? SealedRequest(request.bytes)) == request else { return "\(request) is read as something else" }
        }
        return nil
    }

    /// What someone without the key sends in place of a message of the sealed handshake proves nothing, and the
    /// last message is read as it is written; the first byte says which message the others are.
    private static func sealedProof(_ bytes: [UInt8]) -> String? {
        guard let choice = bytes.first else { return nil }
        let message = Array(bytes.dropFirst())
        let channel = SealedHandshake.Channel(
            requestHead: [],
            replyHead: [],
            clientNonce: Array(repeating: 1, count: SealedHandshake.nonceBytes),
            serverNonce: Array(repeating: 2, count: SealedHandshake.nonceBytes),
            certificateDigest: Array(repeating: 3, count: 32)
        )
        switch choice & 3 {
        case 0:
            let hello = Array(message.prefix(CPace.shareBytes))
            let server = try? SealedServer(key: "key", channel: channel, hello: hello)
            let request = try? server?.request(Array(message.dropFirst(CPace.shareBytes)))
            return request == nil ? nil : "a client without the key is let in"
        case 1:
            guard let client = try? SealedClient(key: "key", channel: channel) else { return "no client can be made" }
            let proven = try? client.prove(message, request: SealedRequest(clientID: "one"))
            return proven == nil ? nil : "a server without the key is believed"
        case 2:
            guard let client = try? SealedClient(key: "key", channel: channel),
                let server = try? SealedServer(key: "key", channel: channel, hello: client.hello),
                let (answer, secrets) = try? client.prove(server.proof, request: SealedRequest(clientID: "one"))
            else { return "two ends with one key do not meet" }
            if message != answer, (try? server.request(message)) != nil { return "a changed request is taken" }
            return (try? secrets.open(message, from: .server)) == nil ? nil : "forged terms are taken"
        default:
            guard let answer = try? SealedAnswer(bytes: message) else { return nil }
            return (try? SealedAnswer(bytes: answer.bytes)) == answer ? nil : "\(answer) is read as something else"
        }
    }

    /// The bytes of messages, and what ends them, do not depend on the segments that frames come in.
    private static func websocket(_ bytes: [UInt8]) -> String? {
        guard let first = bytes.first else { return nil }
        func read(_ segments: [ArraySlice<UInt8>]) -> [String] {
            var reader = WebSocketFrameReader(expectsMask: first & 1 == 1)
            var seen: [String] = []
            var message = ByteBuffer()
            do throws(WebSocketFrameReader.Problem) {
                for segment in segments {
                    reader.append(ByteBuffer(bytes: segment))
                    while let event = try reader.next() {
                        guard case .data(var part, let endsMessage) = event else {
                            seen.append("\(event) within \(message.readableBytes) bytes")
                            continue
                        }
                        message.writeBuffer(&part)
                        guard endsMessage else { continue }
                        seen.append("\(message)")
                        message = ByteBuffer()
                    }
                }
            } catch {
                return seen + ["\(error)"]
            }
            return seen + ["\(message.readableBytes) bytes left"]
        }
        let rest = Array(bytes.dropFirst())
        let (whole, parts) = (read([rest[...]]), read(segments(of: rest)))
        return whole == parts ? nil : "\(parts) in segments, \(whole) at once"
    }

    /// Segments whose lengths the bytes themselves decide: 1, 2, 4 … 128.
    private static func segments(of bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        var segments: [ArraySlice<UInt8>] = []
        var rest = bytes[...]
        while let first = rest.first {
            let length = 1 << Int(first & 7)
            segments.append(rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        return segments
    }
}
