import Config
import NIOCore
import NIOEmbedded

@testable import Tunnel

/// A server's end of HTTP/2 that a stranger has connected to, as it is behind TLS.
enum HTTP2Feed {
    /// What came of the bytes.
    private struct Outcome: Equatable {
        /// Of each link: what it got, and whether that has ended.
        var links: [String] = []
        var rejections: [String] = []
        var isOpen = true
    }

    /// Keeps what a link's handlers hear.
    private final class Recorder: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private var bytes = ByteBuffer()
        private var hasEnded = false

        var text: String { Hex.text(Array(bytes.readableBytesView)) + (hasEnded ? ", ended" : "") }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var part = Self.unwrapInboundIn(data)
            bytes.writeBuffer(&part)
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case ChannelEvent.inputClosed? = event as? ChannelEvent { hasEnded = true }
        }
    }

    /// The links, their bytes and the end do not depend on the segments, and a stranger gets no more streams than
    /// it may have.
    static func problem(with bytes: [UInt8], segments: [ArraySlice<UInt8>]) -> String? {
        let (whole, parts) = (outcome(of: [bytes[...]]), outcome(of: segments))
        guard whole.links.count <= TunnelLimits.http2UnprovenStreams else { return "\(whole.links.count) links" }
        return whole == parts ? nil : "\(parts) in segments, \(whole) at once"
    }

    private static func outcome(of segments: [ArraySlice<UInt8>]) -> Outcome {
        let channel = EmbeddedChannel()
        var recorders: [Recorder] = []
        var outcome = Outcome()
        let terms = HandshakeTerms(flow: .reverse, max: 8, tls: 1, transport: .http2)
        let session = LinkSession(terms: terms, hasRoom: { true }, isProven: { false }, takesRequest: { _ in false }) {
            outcome.rejections.append($0)
        }
        let acceptor = HTTP2LinkAcceptor(stream: StreamLinkAcceptor(credentials: nil))
        guard let address = try? SocketAddress(ipAddress: "127.0.0.1", port: 1) else { return outcome }
        channel.connect(to: address, promise: nil)
        acceptor.accept(channel, .bytes(ByteBuffer()), for: session) { link in
            let recorder = Recorder()
            recorders.append(recorder)
            try? link.channel.pipeline.syncOperations.addHandler(recorder)
        }
        for segment in segments where channel.isActive { _ = try? channel.writeInbound(ByteBuffer(bytes: segment)) }
        outcome.isOpen = channel.isActive
        _ = try? channel.finish(acceptAlreadyClosed: true)
        // Streams whose bytes come together hear of them in any order.
        outcome.links = recorders.map(\.text).sorted()
        return outcome
    }
}
