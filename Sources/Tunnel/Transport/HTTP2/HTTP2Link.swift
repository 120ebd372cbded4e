import Config
import NIOCore
import NIOHPACK
import NIOHTTP2

/// How pool type 3 uses HTTP/2: each link is one `POST /stream` of a shared connection.
///
/// The client's first body byte makes the stream visible; what follows it, and the answer's body, are
/// the link's bytes. Source: NodePass v1.14.
enum HTTP2Link {
    /// The protocol's name in TLS.
    static let alpn = "h2"
    private static let path = "/stream"
    static let firstByte: UInt8 = 0

    static func request(authority: String) -> HPACKHeaders {
        [
            ":method": "POST", ":scheme": "https", ":authority": authority, ":path": path, "user-agent": "nodepass",
        ]
    }

    static func isRequest(_ headers: HPACKHeaders) -> Bool {
        headers.first(name: ":method") == "POST" && headers.first(name: ":path") == path
    }

    static let acceptance: HPACKHeaders = [":status": "200", "content-type": "application/octet-stream"]
    static let refusal: HPACKHeaders = [":status": "404", "content-type": "text/plain; charset=utf-8"]
    static let refusalBody = "not found\n"

    static func isAcceptance(_ headers: HPACKHeaders) -> Bool {
        headers.first(name: ":status") == "200"
    }

    /// Limits of one connection; `streams` is how many links a client may have in it.
    static func configuration(streams: Int?) -> NIOHTTP2Handler.Configuration {
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.initialSettings = [
            HTTP2Setting(parameter: .initialWindowSize, value: TunnelLimits.http2StreamWindowBytes),
            HTTP2Setting(parameter: .maxFrameSize, value: TunnelLimits.http2FrameBytes),
            HTTP2Setting(parameter: .maxHeaderListSize, value: TunnelLimits.http2HeaderBytes),
        ]
        if let streams {
            connection.initialSettings.append(HTTP2Setting(parameter: .maxConcurrentStreams, value: streams))
        } else {
            connection.initialSettings.append(HTTP2Setting(parameter: .enablePush, value: 0))
        }
        connection.targetWindowSize = TunnelLimits.http2ConnectionWindowBytes
        connection.maximumBufferedControlFrames = TunnelLimits.http2ControlFrames
        connection.controlFrameRateLimit.maximumCount = TunnelLimits.http2ControlFrames
        connection.controlFrameRateLimit.windowLength = TimeAmount(TunnelLimits.http2RateWindow)
        var stream = NIOHTTP2Handler.StreamConfiguration()
        stream.targetWindowSize = TunnelLimits.http2StreamWindowBytes
        stream.outboundBufferSizeHighWatermark = TunnelLimits.writeBufferHighBytes
        stream.outboundBufferSizeLowWatermark = TunnelLimits.writeBufferLowBytes
        stream.streamResetFrameRateLimit.maximumCount = TunnelLimits.http2Resets
        stream.streamResetFrameRateLimit.windowLength = TimeAmount(TunnelLimits.http2RateWindow)
        // What the peer sent on a stream before it heard of its reset is no fault of its own.
        connection.maximumRecentlyResetStreams = TunnelLimits.http2Streams
        stream.streamErrorRateLimit.maximumCount = TunnelLimits.http2Resets
        stream.streamErrorRateLimit.windowLength = TimeAmount(TunnelLimits.http2RateWindow)
        return NIOHTTP2Handler.Configuration(connection: connection, stream: stream)
    }
}
