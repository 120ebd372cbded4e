package import Config

#if canImport(FoundationEssentials)
package import FoundationEssentials
#else
package import Foundation
#endif

/// Identifies one instance: 8 lower-case hex digits, stable for its whole life.
package typealias InstanceID = String

/// Where a tunnel is in its life; the API's `status` is derived from it.
package enum TunnelPhase: String, Sendable, Hashable, CaseIterable {
    /// Binding its addresses.
    case starting
    /// Two-ended: looking for its peer.
    case connecting
    /// Serves.
    case ready
    /// Accepts nothing new; established connections finish, up to the drain limit.
    case draining
    /// Closing what is left.
    case stopping
    case stopped
    /// Failed in a way that trying again can mend; a retry is scheduled.
    case backoff
    /// Failed until somebody changes something.
    case failed

    /// It should serve and can not.
    package var isFailing: Bool { self == .backoff || self == .failed }
}

/// Why a tunnel is in its phase: a closed set of words, so that scripts and dashboards can match them.
package enum TunnelReason: String, Sendable, Hashable, CaseIterable {
    case portInUse = "PortInUse"
    case addressNotAvailable = "AddressNotAvailable"
    case noPermission = "NoPermission"
    case authFailed = "AuthFailed"
    case peerUnreachable = "PeerUnreachable"
    case tlsFingerprintMismatch = "TLSFingerprintMismatch"
    case certificateInvalid = "CertificateInvalid"
    case targetUnreachable = "TargetUnreachable"
    case nameNotResolved = "NameNotResolved"
    case invalidSpec = "InvalidSpec"
    case notSupportedYet = "NotSupportedYet"
    case tooManyOpenFiles = "TooManyOpenFiles"
    case internalError = "InternalError"
}

/// Bytes counted at the user-facing socket: `rx` came from users, `tx` went to them.
package struct Traffic: Sendable, Hashable {
    package var tcpRx: UInt64 = 0
    package var tcpTx: UInt64 = 0
    package var udpRx: UInt64 = 0
    package var udpTx: UInt64 = 0

    package init(tcpRx: UInt64 = 0, tcpTx: UInt64 = 0, udpRx: UInt64 = 0, udpTx: UInt64 = 0) {
        self.tcpRx = tcpRx
        self.tcpTx = tcpTx
        self.udpRx = udpRx
        self.udpTx = udpTx
    }

    /// Wraps instead of trapping: a reader may see counters of two moments.
    package static func + (a: Traffic, b: Traffic) -> Traffic {
        Traffic(
            tcpRx: a.tcpRx &+ b.tcpRx,
            tcpTx: a.tcpTx &+ b.tcpTx,
            udpRx: a.udpRx &+ b.udpRx,
            udpTx: a.udpTx &+ b.udpTx
        )
    }

    package static func - (a: Traffic, b: Traffic) -> Traffic {
        Traffic(
            tcpRx: a.tcpRx &- b.tcpRx,
            tcpTx: a.tcpTx &- b.tcpTx,
            udpRx: a.udpRx &- b.udpRx,
            udpTx: a.udpTx &- b.udpTx
        )
    }
}

/// One step in a tunnel's life, numbered within its instance so that a reader can tell which steps it has not seen.
package struct PhaseTransition: Sendable, Hashable {
    package let sequence: Int
    package let phase: TunnelPhase
    package let reason: TunnelReason?
    /// For people; empty when the phase says it all; never holds a secret.
    package let message: String
    package let time: Date

    package init(sequence: Int, phase: TunnelPhase, reason: TunnelReason?, message: String, time: Date) {
        self.sequence = sequence
        self.phase = phase
        self.reason = reason
        self.message = message
        self.time = time
    }
}

/// What one tunnel is doing at this moment, as its owner in the engine sees it.
package struct TunnelStatus: Sendable, Hashable {
    /// The spec that is applied (or being tried), and the restart generation it runs under.
    @Shared package var spec: TunnelSpec
    package var generation: Int
    /// The last steps, oldest first, at most ``transitionLimit``; never empty.
    package var transitions: [PhaseTransition]
    /// 0 until resolved; then 1 or 2 (a client's single or dual, a server's reverse or forward).
    package var resolvedMode = 0
    /// Round trip to the peer, or the last connect time to the target, in milliseconds.
    package var pingMilliseconds = 0
    /// Idle links ready for use (two-ended only).
    package var poolIdle = 0
    /// Handshakes, links and lines turned away because they were not this tunnel's peer's (two-ended only).
    package var rejected = 0
    /// Users turned away because the process had no descriptor for them.
    package var refused = 0
    /// The certificate this end shows (a server with TLS).
    package var certificate: CertificateSummary?
    package var tcpConnections = 0
    package var udpSessions = 0
    /// Connections of former runs that are still finishing, and when the rest of them will be cut.
    package var drainingConnections = 0
    package var drainDeadline: Date?
    /// Totals since the engine first saw this instance; they only grow.
    package var traffic = Traffic()
    /// How often it has become ready.
    package var starts = 0
    /// When the current run became ready; nil while it is not.
    package var readySince: Date?
    /// The addresses really bound (port 0 resolved), TCP first.
    package var listening: [Endpoint] = []
    /// What it has bound, as specs say it; while a move fails that is still where it was.
    package var held: Set<ListenAddress> = []
    /// When the next attempt is due, in phase backoff.
    package var nextRetry: Date?

    package static let transitionLimit = 32

    package init(spec: TunnelSpec, generation: Int, transitions: [PhaseTransition]) {
        self.spec = spec
        self.generation = generation
        self.transitions = transitions
    }

    package var phase: TunnelPhase { transitions.last?.phase ?? .stopped }
    package var reason: TunnelReason? { transitions.last?.reason }
    package var message: String { transitions.last?.message ?? "" }
}
