import ArgumentParser
import Config
import Glibc

/// `nodepass init`: a manifest to begin with.
struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Write a small manifest to begin with; never replaces a file."
    )

    @Argument(help: "The file to write.")
    var file = "tunnels.yaml"

    static let text = """
        # The tunnels of this machine; `nodepass explain` lists the keys, `nodepass validate` checks them.
        version: 1
        tunnels:
          hello:
            role: client
            mode: single                 # listens here and forwards; no second end needed
            tunnel: 127.0.0.1:8080       # where it listens
            target: 127.0.0.1:9090       # where it forwards to; a list is used in turn, with failover

        """

    func run() throws {
        let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            let problem = errno == EEXIST ? "it is there already" : String(cString: strerror(errno))
            throw CommandFailure(message: "\(file) is not written: \(problem)")
        }
        defer { close(descriptor) }
        let bytes = Array(Self.text.utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else {
            throw CommandFailure(message: "\(file) is not written whole: \(String(cString: strerror(errno)))")
        }
        Output.line("\(file) is written; start it with: nodepass run -f \(file)")
    }
}
