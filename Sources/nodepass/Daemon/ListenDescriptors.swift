import Config
import Glibc

/// The sockets that the service manager has opened for the daemon (sd_listen_fds(3)).
struct ListenDescriptors {
    /// By that protocol the first one is 3.
    private static let first: Int32 = 3
    /// A larger number is not believed.
    private static let limit = 1024

    private let count: Int
    /// As the units name them; empty where they do not.
    private let names: [String]

    /// Those in the environment, if they are for this process.
    init(environment: [String: String], process: Int32 = getpid()) throws(CommandFailure) {
        guard let text = environment["LISTEN_FDS"], environment["LISTEN_PID"].flatMap({ Int32($0) }) == process else {
            (count, names) = (0, [])
            return
        }
        guard let count = Int(text), (0...Self.limit).contains(count) else {
            throw CommandFailure(message: "LISTEN_FDS: '\(text)' is not a number of sockets")
        }
        self.count = count
        names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":").map(String.init)
    }

    /// The socket for the API at `address`; nil where there is none.
    ///
    /// Anything else is an error: a socket that nobody serves would take connections and never answer.
    func api(at address: Endpoint) throws(CommandFailure) -> Int32? {
        guard count > 0 else { return nil }
        guard count == 1 else {
            let all = names.isEmpty ? "" : " (\(names.joined(separator: ", ")))"
            throw failure("has \(count) sockets for the daemon\(all), and the API takes one; write one ListenStream=")
        }
        guard let bound = Self.listener(Self.first) else {
            let advice = "write ListenStream=\(address), without Accept=yes"
            throw failure("has a socket for the daemon that is not a listening TCP socket; \(advice)")
        }
        guard bound.fits(address) else {
            let advice = "write the same in ListenStream= and --listen"
            throw failure("listens on \(bound), but the API belongs on \(address); \(advice)")
        }
        _ = fcntl(Self.first, F_SETFD, FD_CLOEXEC)
        return Self.first
    }

    private func failure(_ text: String) -> CommandFailure {
        CommandFailure(message: PlainText.line("the service manager \(text)"))
    }

    /// Where a TCP socket listens; nil for anything else.
    private static func listener(_ descriptor: Int32) -> Endpoint? {
        guard option(descriptor, SO_TYPE) == Int32(SOCK_STREAM.rawValue), option(descriptor, SO_ACCEPTCONN) == 1 else {
            return nil
        }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                getsockname(descriptor, address, &length) == 0 ? endpoint(address, length) : nil
            }
        }
    }

    private static func endpoint(_ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Endpoint? {
        guard [AF_INET, AF_INET6].contains(Int32(address.pointee.sa_family)) else { return nil }
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        var port = [CChar](repeating: 0, count: Int(NI_MAXSERV))
        let (hostSize, portSize) = (socklen_t(host.count), socklen_t(port.count))
        let flags = NI_NUMERICHOST | NI_NUMERICSERV
        guard getnameinfo(address, length, &host, hostSize, &port, portSize, flags) == 0 else { return nil }
        return UInt16(text(port)).map { Endpoint(host: text(host), port: $0) }
    }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func option(_ descriptor: Int32, _ name: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
    }
}

extension Endpoint {
    /// Whether a socket that is bound here serves this address; port 0 is any port.
    fileprivate func fits(_ address: Endpoint) -> Bool {
        guard address.port == port || address.port == 0 else { return false }
        if isUnspecified { return address.isUnspecified }
        return host == address.lookUpHost || isLoopback && address.host == "localhost"
    }
}
