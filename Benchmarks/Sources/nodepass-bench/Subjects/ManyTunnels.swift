import Foundation

/// Single-end tunnels on an address of their own, as a file for each subject, and how many of them are open.
struct ManyTunnels {
    private static let firstPort = 20_000
    /// What one daemon takes; the ports above are for those that are moved.
    static let limit = 10_000

    let count: Int
    let target: UInt16
    /// The last byte of 127.77.0.x: a port that an earlier daemon has just left is not waited for.
    private let host = UInt8.random(in: 1...250)
    /// How often the tunnel in the middle has been moved to another port.
    private(set) var moves = 0

    init(count: Int, target: UInt16) {
        self.count = count
        self.target = target
    }

    var manifest: String {
        guard count > 0 else { return "version: 1\ntunnels: {}\n" }
        let tunnels = (0..<count).map { index in
            """
              t\(index):
                role: client
                mode: single
                tunnel: \(hostText):\(port(of: index))
                target: 127.0.0.1:\(target)

            """
        }
        return "version: 1\ntunnels:\n" + tunnels.joined()
    }

    /// The same as URLs, for who has no file.
    var urls: [String] {
        (0..<count).map { "client://\(hostText):\(port(of: $0))/127.0.0.1:\(target)?mode=1&log=none" }
    }

    /// The same for haproxy: a frontend for each, before one backend, which is the least it can make of them.
    var haproxyConfiguration: String {
        let frontends = (0..<count).map { index in
            """
            frontend t\(index)
                bind \(hostText):\(port(of: index))
                default_backend target

            """
        }
        return HAProxyConfiguration.settings + frontends.joined() + HAProxyConfiguration.backend(target)
    }

    /// Where the last tunnel listens.
    var last: Address { address(port(of: count - 1)) }

    /// Moves one of the tunnels, and answers where to.
    mutating func moveOne() -> Address {
        moves += 1
        return address(port(of: movedIndex))
    }

    /// Counted from outside, since a connection to each would cost memory.
    var openCount: Int { count(in: "/proc/net/tcp", state: "0A") }
    var openDatagramCount: Int { count(in: "/proc/net/udp", state: "07") }

    private var movedIndex: Int { count / 2 }
    private var hostText: String { "127.77.0.\(host)" }

    private func port(of index: Int) -> Int {
        index == movedIndex && moves > 0 ? Self.firstPort + Self.limit + moves : Self.firstPort + index
    }

    private func address(_ port: Int) -> Address {
        Address(host: 0x7F4D_0000 | UInt32(host), port: UInt16(port))
    }

    private func count(in path: String, state: String) -> Int {
        let table = ProcFile.text(path) ?? ""
        let address = String(format: "%02X004D7F:", host)
        return table.split(separator: "\n").count { line in
            let fields = line.split(separator: " ")
            return fields.count > 3 && fields[1].hasPrefix(address) && fields[3] == state
        }
    }
}
