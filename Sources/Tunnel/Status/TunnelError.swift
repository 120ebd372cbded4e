import Config
import Glibc
package import NIOCore

/// Why a tunnel cannot run: a word for programs and a sentence for people.
package struct TunnelError: Error, Sendable, Hashable {
    package let reason: TunnelReason
    package let message: String

    /// Whether trying the same thing again cannot help.
    package let isTerminal: Bool

    /// `isTerminal` where it differs from what the reason mostly means: a peer's mistake can be
    /// fixed at the peer.
    package init(_ reason: TunnelReason, _ message: String, isTerminal: Bool? = nil) {
        self.reason = reason
        self.message = message
        self.isTerminal = isTerminal ?? reason.isMostlyTerminal
    }

    /// A UDP socket that the system closed under a datagram, without more words.
    static let sendingFailed = TunnelError(.targetUnreachable, "sending failed; mostly its machine refuses")

    /// What a tunnel cannot do before descriptors are free.
    static func noDescriptor(for what: String) -> TunnelError {
        TunnelError(.tooManyOpenFiles, "too many open files for \(what); raise the limit (LimitNOFILE, ulimit -n)")
    }

    /// What is wrong with a peer that asks for, or offers, less than it has before.
    static func downgraded(_ what: String, _ id: InstanceID) -> TunnelError {
        let before = "the handshake of v1.14, but this tunnel's other end has been sealed before"
        let advice = "if it was replaced on purpose, run: nodepass forget-peer \(id)"
        return TunnelError(.peerDowngraded, "\(what) \(before); \(advice)")
    }

    /// An address that another tunnel of this daemon has; `problem` is why the two cannot share it.
    ///
    /// `label` is how people know the owner.
    static func taken(
        _ address: ListenAddress,
        by owner: InstanceID,
        labeled label: String,
        _ problem: String?
    ) -> TunnelError {
        let place = "\(address.transport.rawValue) \(address.endpoint)"
        let advice = problem ?? "give one of them another address"
        return TunnelError(
            .portInUse,
            "\(place) is in use by the tunnel \(PlainText.line(label)); \(advice); nodepass get \(owner) shows it"
        )
    }

    /// What went wrong while binding `endpoint`.
    static func binding(_ endpoint: Endpoint, _ transport: TransportProtocol, _ error: any Error) -> TunnelError {
        let place = "\(transport.rawValue) \(endpoint)"
        guard let code = (error as? IOError)?.errnoCode else {
            if let known = error as? TunnelError { return known }
            return TunnelError(.internalError, "cannot listen on \(place): \(ErrorText.words(for: error))")
        }
        switch code {
        case EADDRINUSE:
            // Not only what listens: a connected socket, or one in TIME-WAIT, may have the port too.
            let sockets = transport == .tcp ? "ss -tanp" : "ss -uanp"
            let hint = "find its owner with: \(sockets) 'sport = :\(endpoint.port)'"
            return TunnelError(.portInUse, "\(place) is in use; \(hint)")
        case EACCES, EPERM:
            return TunnelError(
                .noPermission,
                "no permission to listen on \(place); use a port above 1023 or give the binary CAP_NET_BIND_SERVICE"
            )
        case EADDRNOTAVAIL, EAFNOSUPPORT:
            return TunnelError(.addressNotAvailable, "\(endpoint.host) is not an address of this machine (\(place))")
        case EMFILE, ENFILE:
            return noDescriptor(for: place)
        default:
            return TunnelError(.internalError, "cannot listen on \(place): \(ErrorText.words(for: error))")
        }
    }
}

extension TunnelReason {
    /// A change of the machine's addresses may help.
    var dependsOnNetwork: Bool { self == .addressNotAvailable || self == .nameNotResolved }

    fileprivate var isMostlyTerminal: Bool {
        switch self {
        case .noPermission, .certificateInvalid, .invalidSpec, .notSupportedYet: true
        default: false
        }
    }
}

extension IOError {
    /// The system's text for it: `Connection refused`.
    package var problem: String { String(cString: strerror(errnoCode)) }

    /// The process, or the machine, may open no more files now.
    package var isOutOfDescriptors: Bool { errnoCode == EMFILE || errnoCode == ENFILE }
}
