import Foundation

/// A manifest of single-end tunnels on an address of their own, and how many of them are open.
struct ManyTunnels {
    private static let firstPort = 20_000

    let count: Int
    let target: UInt16
    /// The last byte of 127.77.0.x: a port that an earlier daemon has just left is not waited for.
    private let host = UInt8.random(in: 1...250)

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
                tunnel: 127.77.0.\(host):\(Self.firstPort + index)
                target: 127.0.0.1:\(target)

            """
        }
        return "version: 1\ntunnels:\n" + tunnels.joined()
    }

    /// Counted from outside, since a connection to each would cost memory.
    var openCount: Int {
        let table = ProcFile.text("/proc/net/tcp") ?? ""
        let address = String(format: "%02X004D7F:", host)
        return table.split(separator: "\n").count { line in
            let fields = line.split(separator: " ")
            return fields.count > 3 && fields[1].hasPrefix(address) && fields[3] == "0A"
        }
    }
}
