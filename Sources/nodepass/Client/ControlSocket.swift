import Glibc
import NIOCore

/// Says why no daemon answers on its Unix socket.
enum ControlSocket {
    static func problem(at path: String, _ error: any Error) -> String {
        let isMissing = access(path, F_OK) != 0
        let code = isMissing ? errno : (error as? IOError)?.errnoCode ?? 0
        if code == EACCES || code == EPERM {
            return "permission denied on \(path): run this as root or as the daemon's user, start the daemon with "
                + "--socket-group, or use --server and --api-key"
        }
        if let notice = StopNotice.read(beside: path) { return "the daemon at \(path) \(notice.words)" }
        let advice = "start one with `nodepass run`, or give its place with --state-dir or --server"
        if isMissing { return "there is no daemon at \(path): \(advice)" }
        return "no daemon answers at \(path) (\(RemoteServer.words(for: error))): \(advice)"
    }
}
