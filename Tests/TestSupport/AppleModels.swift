/// What NodePass's app for Apple's systems decodes, as strictly as it does: one row that does not fit fails a whole list.
package enum AppleModels {
    package struct Instance: Decodable, Sendable {
        package struct Metadata: Decodable, Sendable {
            package struct Peer: Decodable, Sendable {
                package let alias: String
                package let sid: String
                package let type: String
            }

            package let peer: Peer
            package let tags: [String: String]
        }

        package let id: String
        package let type: String
        package let status: String
        package let url: String
        package let tcprx: Int64
        package let tcptx: Int64
        package let udprx: Int64
        package let udptx: Int64
        package let config: String?
        package let alias: String?
        package let tcps: Int64?
        package let udps: Int64?
        package let ping: Int64?
        package let pool: Int64?
        package let meta: Metadata?

        /// The app shows no row whose status it does not know, such as the API key's.
        package var isShown: Bool {
            ["running", "stopped", "error"].contains(status.lowercased())
        }
    }

    package struct Info: Decodable, Sendable {
        enum CodingKeys: String, CodingKey {
            case os, arch, ver, name, log, tls, cpu, netrx, nettx, sysup, uptime
            case memUsed = "mem_used"
            case memTotal = "mem_total"
            case swapUsed = "swap_used"
            case swapTotal = "swap_total"
        }

        package let os: String
        package let arch: String
        package let ver: String
        package let name: String
        package let log: String
        package let tls: String
        package let cpu: Int?
        package let memUsed: Int64?
        package let memTotal: Int64?
        package let swapUsed: Int64?
        package let swapTotal: Int64?
        package let netrx: Int64?
        package let nettx: Int64?
        package let sysup: Int64?
        package let uptime: Int64?
    }

    /// The only key of an error's body that the app reads.
    package struct Failure: Decodable, Sendable {
        package let message: String
    }
}

extension AppleModels {
    /// A URL as the app takes it apart; where this throws, the app ends.
    package struct Address: Sendable, Hashable {
        package struct Crash: Error, Hashable {
            package let url: String
        }

        package let scheme: String
        package let tunnelHost: String
        package let tunnelPort: String
        package let targetHost: String
        package let targetPort: String

        package init(_ url: String) throws(Crash) {
            guard let scheme = ["server", "client"].first(where: { url.hasPrefix($0) }),
                let separator = url.firstRange(of: "://")
            else { throw Crash(url: url) }
            let rest = url[separator.upperBound...].prefix { $0 != "?" }
            guard let slash = rest.firstIndex(of: "/") else { throw Crash(url: url) }
            let authority = rest[..<slash].split(separator: "@").last ?? ""
            let target = rest[rest.index(after: slash)...]
            guard let tunnelColon = authority.lastIndex(of: ":"), let targetColon = target.lastIndex(of: ":") else {
                throw Crash(url: url)
            }
            self.scheme = scheme
            tunnelHost = String(authority[..<tunnelColon])
            tunnelPort = String(authority[authority.index(after: tunnelColon)...])
            targetHost = String(target[..<targetColon])
            targetPort = String(target[target.index(after: targetColon)...])
        }
    }
}
