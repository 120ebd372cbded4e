import Config
import Foundation
import TestSupport
import Testing

@testable import nodepass

@Suite("The log of the process", .timeLimit(.minutes(1)))
struct LogOutputTests {
    private static let terminal = LogDestination(isTerminal: true, socket: "")
    private static let file = LogDestination(isTerminal: false, socket: "2")

    @Test(
        "colors are for terminals, priorities for the journal, JSON for who asks",
        arguments: [
            (LogFormat.text, terminal, [:], LogStyle.colored), (.text, file, [:], .plain),
            (.text, terminal, ["NO_COLOR": "1"], .plain), (.text, terminal, ["NO_COLOR": ""], .colored),
            (.text, terminal, ["TERM": "dumb"], .plain), (.text, terminal, ["TERM": "xterm"], .colored),
            (.text, terminal, ["TERM": "dumb", "NP_LOG_COLOR": "always"], .colored),
            (.text, terminal, ["NP_LOG_COLOR": "never"], .plain), (.text, file, ["NP_LOG_COLOR": "always"], .colored),
            (.text, file, ["NP_LOG_COLOR": "always", "NO_COLOR": "1"], .colored),
            (.text, file, ["JOURNAL_STREAM": "1:2"], .journal), (.text, file, ["JOURNAL_STREAM": "1:3"], .plain),
            (.json, terminal, [:], .json), (.json, file, ["JOURNAL_STREAM": "1:2", "NP_LOG_COLOR": "always"], .json),
        ] as [(LogFormat, LogDestination, [String: String], LogStyle)]
    )
    func style(
        _ format: LogFormat,
        _ destination: LogDestination,
        _ environment: [String: String],
        _ expected: LogStyle
    ) {
        #expect(LogStyle(format, to: destination, environment: environment) == expected)
    }

    @Test("a line holds no control characters, whatever a message brings")
    func lines() throws {
        let message = "a\nb\u{1b}[31m\u{9b}2J\u{202e}c"
        let fields = [(name: "tunnel", value: "we\rb"), (name: "empty", value: "")]
        let time = Date(timeIntervalSince1970: 0)
        let plain = LogStyle.plain.line(.warn, message, time: time, fields: fields)
        #expect(plain.hasSuffix("  WARN  a b[31m2Jc tunnel=we b"))
        let journal = LogStyle.journal.line(.error, message, time: time, fields: [])
        #expect(journal.hasPrefix("<3>") && !journal.contains("\n"))
        #expect(LogStyle.colored.line(.info, "x", time: time).contains("\u{1b}[32mINFO\u{1b}[0m"))
        let json = try JSONParser.parse(Array(LogStyle.json.line(.info, message, time: time, fields: fields).utf8))
        #expect(json["time"] == "1970-01-01T00:00:00Z")
        #expect(json["level"] == "info" && json["message"] == "a b[31m2Jc" && json["tunnel"] == "we b")
        #expect(json["empty"] == nil)
    }

    @Test("what ends a daemon is a line of the log for programs, and words for people")
    func failure() throws {
        func line(_ format: LogFormat, _ environment: [String: String]) -> String? {
            LogStyle.lineForPrograms(.error, "a\nb", format, to: Self.file, environment: environment)
        }
        #expect(line(.text, [:]) == nil)
        let journal = try #require(line(.text, ["JOURNAL_STREAM": "1:2"]))
        #expect(journal.hasPrefix("<3>") && journal.hasSuffix("  ERROR  a b"))
        let json = try JSONParser.parse(Array(try #require(line(.json, [:])).utf8))
        #expect(json["level"] == "error" && json["message"] == "a b")
    }

    @Test("with JSON the end of a daemon that cannot start is one object on standard error")
    func jsonFailure() async throws {
        let finished = try await RunningProcess.run(["run", "--listen", "nowhere", "--log-format", "json"])
        #expect(finished.code == 1)
        let lines = finished.errors.split(separator: "\n")
        let value = try JSONParser.parse(Array(try #require(lines.first).utf8))
        #expect(lines.count == 1 && value["level"] == "error" && value["message"] != nil)
    }

    @Test("a reader that does not read stops nobody; what it missed is counted, and said when it reads again")
    func blocked() async throws {
        let pipe = Pipe()
        let limits = LogWriter.Limits(lines: 10, bytes: 1 << 20, patience: .milliseconds(50))
        let writer = LogWriter(pipe.fileHandleForWriting.fileDescriptor, limits: limits) { "\($0) dropped" }
        let line = String(repeating: "x", count: 60_000)
        for number in 0..<50 { writer.write("\(number) \(line)") }
        let start = ContinuousClock.now
        await writer.flush()
        #expect(ContinuousClock.now - start < .seconds(20))
        let reader = Task.detached {
            var text = ""
            while !text.contains("49 ") || !text.hasSuffix("\n") {
                text += String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
            }
            return text
        }
        let text = await reader.value
        let dropped = text.matches(of: /([0-9]+) dropped\n/).compactMap { Int($0.output.1) }
        let lines = text.split(separator: "\n").count { $0.hasSuffix("x") }
        #expect(!dropped.isEmpty)
        #expect(dropped.reduce(lines, +) == 50)
        await writer.flush()
    }

    @Test("lines come in order, and are out when the end is flushed")
    func order() async throws {
        let pipe = Pipe()
        let writer = LogWriter(pipe.fileHandleForWriting.fileDescriptor) { "\($0) dropped" }
        for number in 0..<500 { writer.write("\(number)") }
        await writer.flush()
        let text = String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
        let numbers = text.split(separator: "\n").compactMap { Int($0) }
        #expect(numbers == Array(0..<500))
    }

    @Test("a daemon whose standard output nobody reads starts, answers, reconciles and stops")
    func blockedDaemon() async throws {
        let directory = try TemporaryDirectory()
        let pipe = directory.file("stdout")
        #expect(mkfifo(pipe, 0o600) == 0)
        let descriptor = open(pipe, O_RDWR | O_NONBLOCK)
        defer { close(descriptor) }
        let rubbish = [UInt8](repeating: UInt8(ascii: "x"), count: 4096)
        while write(descriptor, rubbish, rubbish.count) > 0 {}
        let manifest = try directory.write("version: 1\ntunnels: {}\n", to: "tunnels.yaml")
        let notifications = try NotifySocket.bind(directory.file("notify.sock"))
        let state = directory.file("state")
        let process = try RunningProcess(
            ["run", "-f", manifest, "--listen", "127.0.0.1:0", "--state-dir", state],
            environment: ["NOTIFY_SOCKET": directory.file("notify.sock")],
            output: pipe
        )
        try await notifications.waitForReady(or: process)
        let url = "client://127.0.0.1:0/127.0.0.1:9?mode=1"
        let created = try await RunningProcess.run(["create", url, "--state-dir", state])
        #expect(created.code == 0, "\(created.errors)")
        let settled = try await RunningProcess.run(["apply", "--state-dir", state])
        #expect(settled.code == 0, "\(settled.errors)")
        process.signal(SIGTERM)
        #expect(try await process.exitCode() == 0)
    }

    @Test("with JSON every line is an object, from the first to the last")
    func jsonDaemon() async throws {
        let manifest = "version: 1\ntunnels:\n  t: {url: 'client://127.0.0.1:0/127.0.0.1:9?mode=1'}\n"
        let daemon = try await Daemon.start(manifest: manifest, arguments: ["--log-format", "json"])
        let log = try daemon.log
        #expect(!log.contains("\u{1b}"))
        for line in log.split(separator: "\n") {
            let value = try JSONParser.parse(Array(line.utf8))
            #expect(value["message"] != nil && value["level"] != nil)
        }
        #expect(try await daemon.stop() == 0)
    }
}
