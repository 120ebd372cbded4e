import Glibc
import NIOCore
import NIOPosix

/// The user of this machine who opened a Unix socket, as the kernel noted it then.
enum SocketUser {
    /// What the kernel keeps of the other end (`struct ucred`).
    private typealias Credentials = (process: Int32, user: UInt32, group: UInt32)

    static func name(at channel: any Channel) async -> String {
        guard let options = channel as? any SocketOptionProvider else { return "unknown user" }
        let option = NIOBSDSocket.Option(rawValue: SO_PEERCRED)
        let credentials: Credentials? = try? await options.unsafeGetSocketOption(level: .socket, name: option).get()
        guard let user = credentials?.user else { return "unknown user" }
        // The list of users may be on another machine.
        return (try? await NIOThreadPool.singleton.runIfActive { name(of: user) }) ?? "user \(user)"
    }

    private static func name(of user: UInt32) -> String {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var texts = [CChar](repeating: 0, count: 16_384)
        let code = getpwuid_r(user, &entry, &texts, texts.count, &found)
        guard code == 0, found != nil, let name = entry.pw_name else { return "user \(user)" }
        return String(cString: name)
    }
}
