/// Which end of the wire: the client dials and the server accepts, whichever way users come.
package enum SessionSide: String, Sendable, Hashable {
    case server
    case client

    var other: SessionSide { self == .server ? .client : .server }
}
