import FoundationEssentials
import Glibc
import Reconciler
import TestSupport
import Testing

@Suite("Every way a file can change is one reading", .timeLimit(.minutes(1)))
struct ManifestWatcherFileTests {
    @Test("a save that keeps the old file as a backup, as vim does")
    func backup() async throws {
        let watched = try WatchedFiles()
        let directory = watched.directory
        try directory.declare(9001)
        try await watched.expect(
            from: "web 9001",
            [
                (
                    "web 9002",
                    {
                        try directory.rename("tunnels.yaml", to: "tunnels.yaml~")
                        try directory.declare(9002)
                        try directory.remove("tunnels.yaml~")
                    }
                )
            ]
        )
    }

    @Test("a swap file and a trial file beside it, in a directory that is the manifest", arguments: ["a.yaml~", nil])
    func swapFile(_ backup: String?) async throws {
        let watched = try WatchedFiles("tunnels.d")
        let directory = watched.directory
        try directory.declare(9001, in: "tunnels.d/a.yaml")
        try await watched.expect(
            from: "web 9001",
            [
                (
                    "web 9002",
                    {
                        try directory.write("b0VIM", to: "tunnels.d/.a.yaml.swp")
                        try directory.write("", to: "tunnels.d/4913")
                        try directory.remove("tunnels.d/4913")
                        if let backup { try directory.rename("tunnels.d/a.yaml", to: "tunnels.d/\(backup)") }
                        try directory.declare(9002, in: "tunnels.d/a.yaml")
                        if let backup { try directory.remove("tunnels.d/\(backup)") }
                        try directory.remove("tunnels.d/.a.yaml.swp")
                    }
                )
            ]
        )
    }

    @Test("a file that is cut to nothing and written piece by piece")
    func inPlace() async throws {
        let watched = try WatchedFiles()
        let path = try watched.directory.declare(9001)
        try await watched.expect(
            from: "web 9001",
            [
                (
                    "web 9002",
                    {
                        let file = open(path, O_WRONLY | O_TRUNC)
                        try #require(file >= 0)
                        defer { close(file) }
                        for text in ["version: 1\ntunnels:\n", "  web: {", client(9002), "}\n"] {
                            try #require(write(file, text, text.utf8.count) == text.utf8.count)
                        }
                    }
                )
            ]
        )
    }

    @Test("a file that is deleted and comes back", arguments: [WatchedFiles.Notice.hint, .poll])
    func deleted(_ notice: WatchedFiles.Notice) async throws {
        let watched = try WatchedFiles(by: notice)
        let directory = watched.directory
        try directory.declare(9001)
        try await watched.expect(
            from: "web 9001",
            [
                ("rejected", { try directory.remove("tunnels.yaml") }),
                ("web 9002", { try directory.declare(9002) }),
            ]
        )
    }

    @Test("a file that is moved over it from another directory", arguments: [WatchedFiles.Notice.hint, .poll])
    func movedOver(_ notice: WatchedFiles.Notice) async throws {
        let watched = try WatchedFiles(by: notice)
        let directory = watched.directory
        try directory.declare(9001)
        try directory.declare(9002, in: "elsewhere/new.yaml")
        try await watched.expect(
            from: "web 9001",
            [("web 9002", { try directory.rename("elsewhere/new.yaml", to: "tunnels.yaml") })]
        )
    }

    @Test("a file that a symbolic link elsewhere leads to: no notification comes, the first poll sees it")
    func behindLink() async throws {
        let watched = try WatchedFiles(by: .poll)
        let directory = watched.directory
        try directory.declare(9001, in: "elsewhere/tunnels.yaml")
        try directory.link("tunnels.yaml", to: "elsewhere/tunnels.yaml")
        try await watched.expect(
            from: "web 9001",
            [("web 9002", { try directory.declare(9002, in: "elsewhere/tunnels.yaml") })]
        )
    }

    @Test("a directory where the file was, and the file again")
    func unreadable() async throws {
        let watched = try WatchedFiles()
        let directory = watched.directory
        try directory.declare(9001)
        try await watched.expect(
            from: "web 9001",
            [
                (
                    "rejected",
                    {
                        try directory.remove("tunnels.yaml")
                        try directory.write("", to: "tunnels.yaml/nothing")
                    }
                ),
                (
                    "web 9001",
                    {
                        try directory.remove("tunnels.yaml")
                        try directory.declare(9001)
                    }
                ),
            ]
        )
    }

    @Test("a file that may not be read any more, and then may again", .enabled(if: geteuid() != 0, "root may read all"))
    func permissions() async throws {
        let watched = try WatchedFiles()
        let path = try watched.directory.declare(9001)
        try await watched.expect(
            from: "web 9001",
            [
                ("rejected", { try #require(chmod(path, 0) == 0) }),
                ("web 9001", { try #require(chmod(path, 0o600) == 0) }),
            ]
        )
    }

    /// What kubelet does: a directory of its own for each version, and links that lead there.
    private func publish(_ port: Int, version: String, in volume: String, of directory: TemporaryDirectory) throws {
        let data = "\(volume)/..data"
        let former = try? FileManager.default.destinationOfSymbolicLink(atPath: directory.file(data))
        try directory.declare(port, in: "\(volume)/..\(version)/tunnels.yaml")
        if former == nil { try directory.link("\(volume)/tunnels.yaml", to: "..data/tunnels.yaml") }
        try directory.link("\(volume)/..data_tmp", to: "..\(version)")
        try directory.rename("\(volume)/..data_tmp", to: data)
        if let former { try directory.remove("\(volume)/\(former)") }
    }

    @Test("a config map's next version", arguments: ["volume/tunnels.yaml", "volume"])
    func configMap(_ root: String) async throws {
        for notice in [WatchedFiles.Notice.hint, .poll] {
            let watched = try WatchedFiles(root, by: notice)
            let directory = watched.directory
            try publish(9001, version: "2026_11_24_12_00_00.1", in: "volume", of: directory)
            try await watched.expect(
                from: "web 9001",
                [
                    ("web 9002", { try publish(9002, version: "2026_11_24_12_01_00.2", in: "volume", of: directory) }),
                    ("web 9003", { try publish(9003, version: "2026_11_24_12_02_00.3", in: "volume", of: directory) }),
                ]
            )
        }
    }
}
