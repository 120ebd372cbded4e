import Reconciler
import TestSupport
import Testing

@Suite("Directories, includes and what tunnels name are watched", .timeLimit(.minutes(1)))
struct ManifestWatcherTreeTests {
    @Test("a directory gains, renames and loses files", arguments: [WatchedFiles.Notice.hint, .poll])
    func directoryOfFiles(_ notice: WatchedFiles.Notice) async throws {
        let watched = try WatchedFiles("tunnels.d", by: notice)
        let directory = watched.directory
        try directory.declare(9001, as: "a", in: "tunnels.d/a.yaml")
        try await watched.expect(
            from: "a 9001",
            [
                ("a 9001, b 9002", { try directory.declare(9002, as: "b", in: "tunnels.d/b.yml") }),
                ("b 9002", { try directory.rename("tunnels.d/a.yaml", to: "tunnels.d/a.off") }),
                ("a 9001, b 9002", { try directory.rename("tunnels.d/a.off", to: "tunnels.d/c.yaml") }),
                ("a 9001", { try directory.remove("tunnels.d/b.yml") }),
                ("rejected", { try directory.remove("tunnels.d/c.yaml") }),
            ]
        )
    }

    @Test("a directory that is removed and made again, and is the manifest or a part of it", arguments: [true, false])
    func directoryReplaced(_ isRoot: Bool) async throws {
        let watched = try WatchedFiles(isRoot ? "parts" : "tunnels.yaml")
        let directory = watched.directory
        try directory.write("version: 1\ninclude: [parts/*.yaml]\ntunnels: {}\n", to: "tunnels.yaml")
        try directory.declare(9001, in: "parts/a.yaml")
        try await watched.expect(
            from: "web 9001",
            [
                (isRoot ? "rejected" : "nothing", { try directory.remove("parts") }),
                ("web 9002", { try directory.declare(9002, in: "parts/a.yaml") }),
                (
                    "web 9003",
                    {
                        try directory.remove("parts")
                        try directory.declare(9003, in: "parts/a.yaml")
                    }
                ),
                ("web 9004", { try directory.declare(9004, in: "parts/a.yaml") }),
            ]
        )
    }

    @Test("a directory behind a link that is turned to another, and then edited there")
    func directoryLink() async throws {
        let watched = try WatchedFiles("current")
        let directory = watched.directory
        try directory.declare(9001, in: "one/a.yaml")
        try directory.declare(9002, in: "two/a.yaml")
        try directory.link("current", to: "one")
        try await watched.expect(
            from: "web 9001",
            [
                (
                    "web 9002",
                    {
                        try directory.link("next", to: "two")
                        try directory.rename("next", to: "current")
                    }
                ),
                ("web 9003", { try directory.declare(9003, in: "two/a.yaml") }),
            ]
        )
    }

    @Test("an include gains and loses files, also in directories that are not there yet")
    func include() async throws {
        let watched = try WatchedFiles()
        let directory = watched.directory
        try directory.declare(9001, include: "sites/*/tunnels.yaml, more/late.yaml")
        try await watched.expect(
            from: "rejected",
            [
                ("late 9002, web 9001", { try directory.declare(9002, as: "late", in: "more/late.yaml") }),
                (
                    "late 9002, one 9003, web 9001",
                    { try directory.declare(9003, as: "one", in: "sites/one/tunnels.yaml") }
                ),
                (
                    "late 9002, one 9003, two 9004, web 9001",
                    { try directory.declare(9004, as: "two", in: "sites/two/tunnels.yaml") }
                ),
                ("late 9002, two 9004, web 9001", { try directory.remove("sites/one") }),
                ("rejected", { try directory.remove("more/late.yaml") }),
            ]
        )
    }

    @Test("an include of an include is edited, and begins to include another")
    func nestedInclude() async throws {
        let watched = try WatchedFiles()
        let directory = watched.directory
        try directory.declare(9001, include: "one/*.yaml")
        try directory.declare(9002, as: "one", in: "one/a.yaml", include: "../two/b.yaml")
        try directory.declare(9003, as: "two", in: "two/b.yaml")
        try directory.declare(9004, as: "three", in: "three/c.yaml")
        try await watched.expect(
            from: "one 9002, two 9003, web 9001",
            [
                ("one 9002, two 9005, web 9001", { try directory.declare(9005, as: "two", in: "two/b.yaml") }),
                (
                    "one 9002, three 9004, two 9005, web 9001",
                    { try directory.declare(9005, as: "two", in: "two/b.yaml", include: "../three/c.yaml") }
                ),
                (
                    "one 9002, three 9006, two 9005, web 9001",
                    { try directory.declare(9006, as: "three", in: "three/c.yaml") }
                ),
            ]
        )
    }

    @Test(
        "a secret that a reference names is changed, and rotated by a link",
        arguments: [WatchedFiles.Notice.hint, .poll]
    )
    func secret(_ notice: WatchedFiles.Notice) async throws {
        let watched = try WatchedFiles(by: notice)
        let directory = watched.directory
        try directory.write(
            "version: 1\ntunnels:\n  web: {\(client(9001, "key: \"${file:secrets/key}\""))}\n",
            to: "tunnels.yaml"
        )
        try directory.write("first\n", to: "secrets/..1/key")
        try directory.write("third\n", to: "secrets/..2/key")
        try directory.link("secrets/..data", to: "..1")
        try directory.link("secrets/key", to: "..data/key")
        var changes: [WatchedFiles.Change] = [
            (
                "web 9001 third",
                {
                    try directory.link("secrets/..data_tmp", to: "..2")
                    try directory.rename("secrets/..data_tmp", to: "secrets/..data")
                }
            ),
            ("nothing", { try directory.remove("secrets/key") }),
            ("web 9001 last", { try directory.write("last\n", to: "secrets/key") }),
        ]
        if notice == .poll {
            changes.insert(("web 9001 second", { try directory.write("second\n", to: "secrets/..1/key") }), at: 0)
        }
        try await watched.expect(from: "web 9001 first", changes)
    }

    @Test("a certificate and its key are replaced")
    func certificate() async throws {
        let watched = try WatchedFiles()
        let directory = watched.directory
        let tls = "tls: {certificate: pki/server.crt, key: pki/server.key}"
        let server = "role: server, mode: reverse, tunnel: \"127.0.0.1:9001\", target: \"127.0.0.1:9002\""
        try directory.write("version: 1\ntunnels:\n  web: {\(server), \(tls)}\n", to: "tunnels.yaml")
        let authority = try TestAuthority()
        try directory.write("", to: "pki/none")
        try await watched.expect(
            from: "web 9001",
            [
                ("web 9001", { try authority.issue(to: ["a"]).write(to: directory, as: "pki/server") }),
                ("web 9001", { try authority.issue(to: ["b"]).write(to: directory, as: "pki/server") }),
            ]
        )
    }
}
