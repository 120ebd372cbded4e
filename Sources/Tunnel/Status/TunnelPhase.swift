/// Where a tunnel is in its life; the API's `status` is derived from it.
package enum TunnelPhase: String, Sendable, Hashable, CaseIterable {
    /// Binding its addresses.
    case starting
    /// Two-ended: waiting for its peer.
    case connecting
    /// Users can connect.
    case ready
    /// Accepts nothing new; established connections finish, up to the drain limit.
    case draining
    /// Closing what is left.
    case stopping
    case stopped
    /// Failed, and trying again can help; a retry is scheduled.
    case backoff
    /// Failed until the spec, or what it depends on, changes.
    case failed

    /// It should run and cannot.
    package var isFailing: Bool { self == .backoff || self == .failed }
}
