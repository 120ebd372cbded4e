package import Hummingbird

/// What the handlers know of a request besides its text: where it came from.
package struct APIRequestContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    package let peer: Peer

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        peer = Peer(local: source.channel.localAddress, remote: source.channel.remoteAddress)
    }
}
