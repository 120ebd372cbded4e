import Config
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("Log book", .timeLimit(.minutes(1)))
struct LogBookTests {
    private func line(_ id: InstanceID, _ message: String) -> TunnelLogLine {
        TunnelLogLine(id: id, level: .info, message: message, time: epoch)
    }

    private func limits(_ change: (inout LogLimits) -> Void) -> LogLimits {
        var limits = LogLimits()
        change(&limits)
        return limits
    }

    @Test("keeps the newest lines of each instance, oldest first")
    func newest() {
        let book = LogBook()
        for number in 1...book.limits.lines + 3 { book.append(line("a", "\(number)")) }
        book.append(line("b", "other"))
        let all = book.tail("a", .max).map(\.message)
        #expect(all.count == book.limits.lines && all.first == "4" && all.last == "\(book.limits.lines + 3)")
        #expect(book.tail("a", 2).map(\.message) == all.suffix(2))
        #expect(book.tail("b", 200) == [line("b", "other")])
        #expect(book.tail("c", 200).isEmpty)
    }

    @Test("a long line is cut between characters, and says so")
    func longLine() throws {
        let book = LogBook(limits: limits { $0.lineBytes = 10 })
        book.append(line("a", "äöüäöüäöü"))
        book.append(line("a", "0123456789"))
        book.append(line("a", "0123456789x"))
        book.append(line("a", "x€€€€"))
        #expect(book.tail("a", 4).map(\.message) == ["äöüäö…", "0123456789", "0123456789…", "x€€€…"])
    }

    @Test("5,000 chatty instances stay within the limit, and a quiet one keeps its lines")
    func manyChatty() {
        let book = LogBook(limits: limits { $0.bytes = 4 << 20 })
        book.append(line("quiet", "once"))
        let text = String(repeating: "x", count: 500)
        for round in 0..<40 {
            for id in 0..<5000 { book.append(line("\(id)", "\(round) \(text)")) }
        }
        let kept = (0..<5000).map { book.tail("\($0)", .max) }
        let bytes = kept.joined().reduce(0) { $0 + $1.message.utf8.count }
        #expect(bytes <= 4 << 20 && bytes > 1 << 20, "\(bytes)")
        #expect(kept.allSatisfy { $0.last?.message.hasPrefix("39 ") ?? true })
        #expect(kept.last?.isEmpty == false)
        #expect(book.tail("quiet", 1).map(\.message) == ["once"])
    }

    @Test("one instance alone can not take more than the limit either")
    func oneChatty() {
        let book = LogBook(limits: limits { $0.bytes = 10_000 })
        for number in 0..<500 { book.append(line("a", "\(number) " + String(repeating: "x", count: 1000))) }
        let kept = book.tail("a", .max)
        #expect((5...9).contains(kept.count) && kept.last?.message.hasPrefix("499 ") == true)
    }

    @Test("a follower gets the tail, then what comes, in order and without gaps")
    func follow() async throws {
        let book = LogBook(limits: limits { $0.batch = 2 })
        for number in 1...5 { book.append(line("a", "\(number)")) }
        let following = try book.follow("a", tail: 3)
        book.append(line("b", "other"))
        book.append(line("a", "6"))
        var seen: [LogBatch] = []
        while seen.joined.count < 4, let batch = await following.next() { seen.append(batch) }
        #expect(seen.joined == ["3", "4", "5", "6"] && seen.map(\.missed) == [0, 0])
        async let next = following.next()
        book.append(line("a", "7"))
        #expect(await next?.lines.map(\.message) == ["7"])
    }

    @Test("a follower slower than its tunnel misses the oldest lines and is told how many")
    func slow() async throws {
        let book = LogBook(limits: limits { $0.lines = 4 })
        book.append(line("a", "1"))
        let following = try book.follow("a", tail: 10)
        for number in 2...10 { book.append(line("a", "\(number)")) }
        let batch = await following.next()
        #expect(batch?.missed == 6)
        #expect(batch?.lines.map(\.message) == ["7", "8", "9", "10"])
        book.append(line("a", "11"))
        #expect(await following.next() == LogBatch(missed: 0, lines: [line("a", "11")]))
    }

    @Test("a reader that is cancelled loses nothing")
    func cancelled() async throws {
        let book = LogBook()
        let following = try book.follow("a", tail: 1)
        for number in 0..<100 {
            let reader = Task { await following.next() }
            if number.isMultiple(of: 2) { await Task.yield() }
            reader.cancel()
            let early = await reader.value
            book.append(line("a", "\(number)"))
            let batch = await following.next()
            #expect(early == nil)
            #expect(batch?.lines.map(\.message) == ["\(number)"])
        }
    }

    @Test("following ends when its instance is gone, when all have to go, and with its reader")
    func ends() async throws {
        let book = LogBook()
        let first = try book.follow("a", tail: 1)
        let second = try book.follow("b", tail: 1)
        var third: LogFollowing? = try book.follow("b", tail: 1)
        #expect(book.followerCount == 3 && third != nil)
        third = nil
        #expect(book.followerCount == 2)
        book.append(line("a", "last words"))
        async let waiting = second.next()
        book.forget("a")
        #expect(await first.next() == nil)
        #expect(book.tail("a", 1).isEmpty)
        book.endFollowing()
        #expect(await waiting == nil)
        #expect(book.followerCount == 0)
    }

    @Test("more followers than the limit are refused")
    func tooMany() throws {
        let book = LogBook(limits: limits { $0.followers = 2 })
        let followers = try [book.follow("a", tail: 1), book.follow("a", tail: 1)]
        #expect(throws: LogBook.TooManyFollowers.self) { try book.follow("a", tail: 1) }
        followers[0].end()
        _ = try book.follow("a", tail: 1)
    }

    @Test("the reconciler drops the log of a deleted instance, and lines that come after")
    func deleted() async throws {
        let daemon = try RunningReconciler(directory: try TemporaryDirectory())
        let id = try await daemon.create("web", port: 9001).id
        let logs = daemon.reconciler.logs
        _ = try await daemon.next(3)
        await daemon.reconciler.publishLog(line(id, "hello"), as: "hello")
        #expect(logs.tail(id, 1).map(\.message) == ["hello"])
        let following = try logs.follow(id, tail: 1)
        #expect(await following.next()?.lines.count == 1)
        try await daemon.reconciler.delete(id, MutationContext(by: "test"))
        #expect(await following.next() == nil)
        await daemon.reconciler.publishLog(line(id, "late"), as: "late")
        #expect(logs.tail(id, 1).isEmpty)
        try await daemon.stop()
    }

    @Test("a declared tunnel that REST takes away keeps its log for its return, but nobody follows it")
    func hidden() async throws {
        let daemon = try RunningReconciler(directory: try TemporaryDirectory(), expectsManifest: true)
        await daemon.reconciler.declare(manifest(["web": client(9001)]))
        _ = try await daemon.next(3)
        let id = try #require(await daemon.reconciler.instances().first?.id)
        await daemon.reconciler.publishLog(line(id, "hello"), as: "hello")
        let following = try daemon.reconciler.logs.follow(id, tail: 1)
        #expect(await following.next()?.lines.count == 1)
        try await daemon.reconciler.delete(id, MutationContext(by: "test"))
        #expect(await following.next() == nil)
        #expect(daemon.reconciler.logs.tail(id, 1).map(\.message) == ["hello"])
        try await daemon.stop()
    }
}

extension [LogBatch] {
    fileprivate var joined: [String] { flatMap { $0.lines.map(\.message) } }
}
