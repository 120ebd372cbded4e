package import Hummingbird
import NIOCore
import Reconciler

/// What the handlers know of a request besides its text: where it came from, and with which key.
package struct APIRequestContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    package let peer: Peer
    /// The label of the key that the request has shown.
    var keyLabel = Author.mainKey
    /// What that key may do; the least until it is known.
    var role = APIRole.metrics
    private let channel: any Channel

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        peer = Peer(local: source.channel.localAddress, remote: source.channel.remoteAddress)
        channel = source.channel
    }

    /// Who asks.
    func author() async -> Author {
        switch peer {
        case .socket: .localUser(await SocketUser.name(at: channel))
        case .address(let address): .key(keyLabel, at: address)
        }
    }
}
