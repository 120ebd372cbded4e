import Foundation
import TestSupport
import Testing

/// What a client has heard from the daemon of one round.
struct CrashJournal: Sendable {
    /// Stored events, in the order they came.
    var events: [EventBlock] = []
    var acknowledged = 0
    /// The newest edit that the daemon has announced.
    var newestEdit = 0
    /// Of the declared tunnels it has announced.
    var ids: [String: String] = [:]
    var isKilled = false

    var news: Int { events.count + acknowledged }

    mutating func note(_ block: EventBlock, of instance: InstanceView?) {
        if block.id != nil { events.append(block) }
        guard let instance, let name = instance.name else { return }
        ids[name] = instance.id
        if name == CrashLedger.canary { newestEdit = max(newestEdit, Int(instance.alias.dropFirst(5)) ?? 0) }
    }
}

/// Clients that change one daemon at random until it dies, and record what it has answered.
struct CrashClient: Sendable {
    /// Created tunnels at once.
    private static let createdLimit = 12

    let daemon: Daemon
    let ledger: Awaited<CrashLedger>
    let ports: [Int]
    let journal = Awaited(CrashJournal())
    let place: String

    /// Does one thing after another until the daemon is killed.
    func work(
        _ seed: UInt64,
        _ step: (CrashClient) -> (inout SeededRandom) async throws -> Void
    ) async {
        var random = SeededRandom(seed: seed)
        do {
            while !Task.isCancelled {
                try await step(self)(&random)
                await Task.yield()
            }
        } catch {
            if !journal.current.isKilled { Issue.record(error, "\(place)") }
        }
    }

    /// Notes what comes until the stream breaks.
    func follow(_ stream: EventStream) async {
        var events = stream.makeAsyncIterator()
        do {
            while let block = try await events.nextBlock() {
                let instance = try EventView(data: block.data).instance
                journal.change { $0.note(block, of: instance) }
            }
        } catch {
            if !journal.current.isKilled { Issue.record(error, "\(place)") }
        }
    }

    // MARK: Requests

    func request(_ random: inout SeededRandom) async throws {
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<3: try await create(&random)
        case 3: try await nameMaster()
        case 4: try await overrideBriefly(&random)
        case 5, 6: try await delete(&random)
        case 7, 8: try await release(&random)
        case 9..<12: try await replace(&random)
        default: try await patch(&random)
        }
    }

    private func create(_ random: inout SeededRandom) async throws {
        let facts: TunnelFacts? = ledger.change { ledger in
            guard ledger.createdCount < Self.createdLimit else { return nil }
            let number = ledger.number()
            let facts = TunnelFacts(alias: "created-\(number)", url: TunnelFacts.url(port: 0, number: number))
            ledger.ask(for: facts)
            return facts
        }
        guard let facts else { return }
        let body = #"{"url":"\#(facts.url)","alias":"\#(facts.alias)"}"#
        guard let answer = try await send("POST", "/instances", body, expecting: 201) else { return }
        let id = try answer.decode(InstanceView.self).id
        ledger.change { $0.created(facts, id: id) }
        note()
    }

    private func nameMaster() async throws {
        let alias = ledger.change { ledger -> String? in
            guard ledger.pendingMasterAlias == nil else { return nil }
            let alias = "master-\(ledger.number())"
            ledger.beginMasterAlias(alias)
            return alias
        }
        guard let alias, try await send("POST", "/info", #"{"alias":"\#(alias)"}"#, expecting: 200) != nil else {
            return
        }
        ledger.change { $0.acknowledgeMasterAlias() }
        note()
    }

    private func patch(_ random: inout SeededRandom) async throws {
        guard let key = claim(&random, where: { !$0.known.isDeleted }) else { return }
        let number = ledger.change { $0.number() }
        let (mutation, body): (TunnelMutation, String) =
            switch Int.random(in: 0..<6, using: &random) {
            case 0: (.alias("renamed-\(number)"), #"{"alias":"renamed-\#(number)"}"#)
            case 1: (.mark("\(number)"), #"{"meta":{"tags":{"mark":"\#(number)"}}}"#)
            case 2, 3: (.stop, #"{"action":"stop"}"#)
            case 4: (.start, #"{"action":"start"}"#)
            default: (.restart, #"{"action":"restart"}"#)
            }
        try await change(key, mutation, "PATCH", body, expecting: 200, expires: Bool.random(using: &random))
    }

    private func replace(_ random: inout SeededRandom) async throws {
        guard let key = claim(&random, where: { !$0.known.isDeleted }) else { return }
        let url = ledger.change { ledger in
            TunnelFacts.url(port: ledger.entries[key]?.port ?? 0, number: ledger.number())
        }
        let expires = Bool.random(using: &random)
        try await change(key, .url(url), "PUT", #"{"url":"\#(url)"}"#, expecting: 200, expires: expires)
    }

    private func delete(_ random: inout SeededRandom) async throws {
        guard let key = claim(&random, where: { !$0.known.isDeleted }) else { return }
        try await change(key, .delete, "DELETE", nil, expecting: 204, expires: Bool.random(using: &random))
    }

    private func release(_ random: inout SeededRandom) async throws {
        guard let key = claim(&random, where: { $0.declared != nil && $0.declared != $0.known }) else { return }
        try await change(key, .release, "DELETE", nil, expecting: 200, below: "/override")
    }

    /// An override that is over by itself before anybody changes the tunnel again.
    private func overrideBriefly(_ random: inout SeededRandom) async throws {
        guard let key = claim(&random, where: { $0.declared == $0.known }) else { return }
        let alias = ledger.change { ledger in
            ledger.entries[key]?.isBrief = true
            return "brief-\(ledger.number())"
        }
        let path = "/instances/\(try await id(of: key))"
        guard try await send("PATCH", path + "?ttl=20ms", #"{"alias":"\#(alias)"}"#, expecting: 200) != nil else {
            return
        }
        note()
        while try await daemon.request("GET", "/api/v1" + path).decode(InstanceView.self).override != nil {
            await Task.yield()
        }
        ledger.change { ledger in
            ledger.entries[key]?.isBrief = false
            ledger.free(key)
        }
    }

    private func change(
        _ key: CrashLedger.Key,
        _ mutation: TunnelMutation,
        _ method: String,
        _ body: String?,
        expecting status: UInt,
        expires: Bool = false,
        below suffix: String = ""
    ) async throws {
        let expires = expires && ledger.change { $0.entries[key]?.mayExpire(mutation) ?? false }
        let path = "/instances/\(try await id(of: key))\(suffix)\(expires ? "?ttl=1h" : "")"
        ledger.change { $0.begin(key, mutation, expires: expires) }
        guard try await send(method, path, body, expecting: status) != nil else { return }
        ledger.change { ledger in
            ledger.acknowledge(key)
            ledger.free(key)
        }
        note()
    }

    private func send(
        _ method: String,
        _ path: String,
        _ body: String?,
        expecting status: UInt
    ) async throws -> Daemon.Answer? {
        let answer = try await daemon.request(method, "/api/v1" + path, body)
        guard answer.status == status else {
            Issue.record("\(place): \(method) \(path) \(body ?? "") is answered \(answer.status) \(answer.text)")
            return nil
        }
        return answer
    }

    private func claim(
        _ random: inout SeededRandom,
        where isEligible: (CrashLedger.Entry) -> Bool
    ) -> CrashLedger.Key? {
        ledger.change { $0.claim(using: &random, where: isEligible) }
    }

    private func id(of key: CrashLedger.Key) async throws -> String {
        switch key {
        case .created(let id): return id
        case .asked(let alias): return alias
        case .declared(let name):
            if let known = ledger.current.ids[name] { return known }
            return try await journal.wait(for: "the id of \(name)") { $0.ids[name] }
        }
    }

    private func note() {
        journal.change { $0.acknowledged += 1 }
    }

    // MARK: The file

    func edit(_ random: inout SeededRandom) async throws {
        let edit = ledger.change { $0.draft(on: ports, using: &random) }
        let isInPlace = Bool.random(using: &random)
        if Int.random(in: 0..<3, using: &random) == 0 {
            try daemon.edit(edit.beginning(.random(in: 0..<1, using: &random)), atomically: !isInPlace)
            if Bool.random(using: &random) { try await rejection() }
        }
        // Nothing suspends between these two.
        try daemon.edit(edit.text, atomically: !isInPlace)
        ledger.change { $0.commit(edit) }
        if Bool.random(using: &random) { daemon.signal(SIGHUP) }
        try await journal.wait(for: "edit \(edit.number)") { $0.newestEdit >= edit.number ? true : nil }
        ledger.change { $0.finish(edit) }
        note()
    }

    /// Waits until the daemon has refused what is in the file now.
    private func rejection() async throws {
        daemon.signal(SIGHUP)
        while try await daemon.request("GET", "/api/v1/reconcile").text.contains(#""rejection":null"#) {
            await Task.yield()
        }
    }
}
