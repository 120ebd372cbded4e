package import Config
package import FoundationEssentials

/// The other end of a two-ended tunnel, as this end knows it.
package struct PeerSummary: Sendable, Hashable {
    /// Which program it is, as far as the handshake shows.
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        /// One of ours that has proven the key in a sealed handshake.
        case sealed = "nodepass, sealed"
        /// One of ours, with the handshake of v1.14.
        case own = "nodepass"
        /// One without our extensions.
        case original = "NodePass v1.14"
    }

    /// Without a port.
    package let address: String
    package let kind: Kind
    /// What carries the links.
    package let transport: PoolTransport
    package let since: Date
    /// When it was lost; nil while it is connected.
    package var lostTime: Date?

    package init(address: String, kind: Kind, transport: PoolTransport, since: Date) {
        self.address = address
        self.kind = kind
        self.transport = transport
        self.since = since
    }

    package var isConnected: Bool { lostTime == nil }
}
