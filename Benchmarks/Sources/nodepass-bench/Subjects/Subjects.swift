import Foundation

/// Who is there to be measured on this machine.
struct Subjects {
    static let peerVariable = "NODEPASS_PEER"

    private(set) var all: [Subject]
    /// Who is not, and what would change that.
    private(set) var absent: [String] = []
    /// The load generator for the API, which is no subject.
    let wrk: String?

    init(nodepass: String) throws {
        guard access(nodepass, X_OK) == 0 else { throw BenchmarkFailure("\(nodepass) is not a program") }
        all = [.nodepass(nodepass)]
        if let peer = ProcessInfo.processInfo.environment[Self.peerVariable], !peer.isEmpty {
            guard access(peer, X_OK) == 0 else {
                throw BenchmarkFailure("\(Self.peerVariable): \(peer) is not a program")
            }
            all.append(.reference(peer))
        } else {
            absent.append("no reference: \(Self.peerVariable) does not name its program")
        }
        if let haproxy = ChildProcess.find("haproxy") {
            all.append(.haproxy(haproxy))
        } else {
            absent.append("no haproxy: PATH does not have it (apt install haproxy)")
        }
        if let nginx = ChildProcess.find("nginx") {
            all.append(.nginx(nginx))
        } else {
            absent.append("no nginx: PATH does not have it (apt install nginx)")
        }
        wrk = ChildProcess.find("wrk")
        if wrk == nil { absent.append("no section api: PATH does not have wrk (apt install wrk)") }
        all.append(.direct)
    }
}
