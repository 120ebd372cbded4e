import FoundationEssentials
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("Peers that have been sealed are remembered")
struct SealedPeerTests {
    private let directory: TemporaryDirectory
    private let peers: Set<PeerMemory.Peer> = [
        PeerMemory.Peer(instance: "abcd1234", server: ""),
        PeerMemory.Peer(instance: "abcd1234", server: "edge.example.com:10101"),
        PeerMemory.Peer(instance: "abcd1235", server: "[2001:db8::1]:10101"),
    ]

    init() throws {
        directory = try TemporaryDirectory()
    }

    private func open() throws -> StateStore {
        try StateStore.open(directory: directory.file("state"), now: epoch)
    }

    private func filled() async throws -> StateStore {
        let store = try open()
        try store.save([
            try apiRecord("abcd1234", url: clientURL(9001)), try apiRecord("abcd1235", url: clientURL(9002)),
        ])
        for peer in peers { try await store.rememberSealed(peer, now: epoch) }
        return store
    }

    @Test("what is remembered is there after a restart, however often it was said")
    func restart() async throws {
        do {
            let store = try await filled()
            for peer in peers { try await store.rememberSealed(peer, now: epoch) }
        }
        #expect(try open().sealedPeers() == peers)
    }

    @Test("the secret of tokens is there after a restart")
    func tokenSecret() throws {
        let secret = try open().tokenSecret()
        #expect(secret.count == 32)
        #expect(try open().tokenSecret() == secret)
    }

    @Test("what is said after a change of the instance stays, and is gone with the instance")
    func deletion() async throws {
        let store = try await filled()
        try store.save([try apiRecord("abcd1234", url: clientURL(9003))])
        #expect(try store.sealedPeers() == peers)
        try store.save(removing: ["abcd1234"])
        #expect(try store.sealedPeers() == peers.filter { $0.instance == "abcd1235" })
    }

    @Test("a peer of an instance that does not exist cannot be remembered")
    func unknown() async throws {
        let store = try open()
        await #expect(throws: StateStoreError.self) {
            try await store.rememberSealed(PeerMemory.Peer(instance: "00000001", server: ""))
        }
    }

    @Test("a peer is remembered once it is stored, and not when that fails")
    func memory() async throws {
        struct DiskFull: Error {}
        let stored = Awaited<[PeerMemory.Peer]>([])
        let isFull = Awaited(true)
        let memory = PeerMemory { peer in
            if isFull.current { throw DiskFull() }
            stored.change { $0.append(peer) }
        }
        let peer = PeerMemory.Peer(instance: "abcd1234", server: "")
        await #expect(throws: DiskFull.self) { try await memory.remember(peer) }
        #expect(!memory.isSealed(peer))
        isFull.change { $0 = false }
        for _ in 0..<2 { try await memory.remember(peer) }
        #expect(memory.isSealed(peer) && stored.current == [peer])
        #expect(!memory.isSealed(PeerMemory.Peer(instance: "abcd1234", server: "other:1")))
        memory.forget("abcd1235")
        #expect(memory.isSealed(peer))
        memory.forget("abcd1234")
        #expect(!memory.isSealed(peer))
    }

    @Test("a request to forget reaches the store and the host, and a tunnel that waits tries again")
    func request() async throws {
        let daemon = try RunningReconciler(directory: directory)
        let single = try await daemon.create("b", port: 9002)
        _ = try await daemon.next(3)
        let instance = try await daemon.create("a", port: 9001, "mode=2")
        _ = try await daemon.next(2)
        try await daemon.store.rememberSealed(PeerMemory.Peer(instance: instance.id, server: "h:1"))
        let context = MutationContext(by: "test")
        await #expect(throws: MutationError.self) { try await daemon.reconciler.forgetPeer(single.id, context) }
        await #expect(throws: MutationError.notFound) { try await daemon.reconciler.forgetPeer("00000009", context) }
        var dry = context
        dry.dryRun = true
        _ = try await daemon.reconciler.forgetPeer(instance.id, dry)
        #expect(try daemon.store.sealedPeers().count == 1)
        daemon.host.show(instance.id, .backoff, .peerDowngraded)
        _ = try await daemon.reconciler.forgetPeer(instance.id, context)
        #expect(try daemon.store.sealedPeers().isEmpty)
        #expect(daemon.host.calls.contains(.forgetPeer(instance.id)))
        #expect(try daemon.store.instances().records.first { $0.id == instance.id }?.generation == 1)
        try await daemon.stop()
    }

    @Test("a declaration that was deleted keeps its record and not its peer")
    func deletedDeclaration() async throws {
        let daemon = try RunningReconciler(directory: directory, expectsManifest: true)
        await daemon.reconciler.declare(manifest(["a": client(9001)]))
        _ = try await daemon.next(1)
        let id = try #require(await daemon.reconciler.instances().first?.id)
        try await daemon.store.rememberSealed(PeerMemory.Peer(instance: id, server: ""))
        try await daemon.reconciler.delete(id, MutationContext(by: "test"))
        while !daemon.host.calls.contains(.remove(id)) { await Task.yield() }
        while try !daemon.store.sealedPeers().isEmpty { await Task.yield() }
        #expect(try daemon.store.instances().records.count == 1)
        try await daemon.stop()
    }
}
