import Config
package import FoundationEssentials
package import Tunnel

/// A deleted tunnel whose connections may still finish.
package struct LeavingInstance: Sendable, Hashable {
    package let id: InstanceID
    /// Of its declaration, else its alias; may be empty.
    package let name: String
    package let connections: Int
    /// When the last of them is cut.
    package let until: Date?

    init(_ record: InstanceRecord?, _ id: InstanceID, _ status: TunnelStatus) {
        self.id = id
        name = record?.name ?? record?.labels.alias ?? ""
        connections = status.drainingConnections
        until = status.drainDeadline
    }
}
