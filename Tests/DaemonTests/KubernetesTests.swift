import ArgumentParser
import TestSupport
import Testing

@testable import nodepass

/// `packaging/kubernetes`; its resources are checked by `make kubernetes-test`.
@Suite("The base for Kubernetes")
struct KubernetesTests {
    @Test("its manifest is valid with a good key, and refused with the one that is there to be replaced")
    func manifest() async throws {
        let directory = try TemporaryDirectory()
        let path = "/etc/nodepass/keys/web.key"
        let text = try PageBlock.page("packaging/kubernetes/tunnels.yaml")
        try #require(text.contains(path))
        let manifest = try directory.write(text.replacing(path, with: directory.file("web.key")), to: "tunnels.yaml")
        try directory.write(try PageBlock.page("packaging/kubernetes/web.key"), to: "web.key")
        let refused = try await RunningProcess.run(["validate", manifest])
        #expect(refused.code == 1 && refused.output.contains("[weak-key]"))
        try directory.write(try await RunningProcess.run(["key", "generate"]).output, to: "web.key")
        #expect(try await RunningProcess.run(["validate", manifest]).code == 0)
    }

    @Test("the arguments of its container are those of the program")
    func arguments() throws {
        let text = try PageBlock.page("packaging/kubernetes/deployment.yaml")
        let list = try #require(text.firstMatch(of: /args: \[(.+)\]/)).1
        let arguments = list.split(separator: ",").map { String($0.filter { !" \"".contains($0) }) }
        #expect(throws: Never.self) { try RootCommand.parseAsRoot(arguments) }
    }
}
