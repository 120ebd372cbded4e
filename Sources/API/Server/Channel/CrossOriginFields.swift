import HTTPTypes
package import NIOCore
package import NIOHTTPTypes

/// Puts the fields on answers that never were at the router: the 400 of a request that cannot be
/// parsed, and the 500 of an error that nothing else has caught.
package final class CrossOriginFields: ChannelOutboundHandler, RemovableChannelHandler {
    package typealias OutboundIn = HTTPResponsePart
    package typealias OutboundOut = HTTPResponsePart

    package init() {}

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .head(var head) = unwrapOutboundIn(data), head.status.kind != .informational,
            head.headerFields[.accessControlAllowOrigin] == nil
        else {
            context.write(data, promise: promise)
            return
        }
        CrossOrigin.add(to: &head.headerFields)
        context.write(wrapOutboundOut(.head(head)), promise: promise)
    }
}
