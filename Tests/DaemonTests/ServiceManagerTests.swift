import Foundation
import TestSupport
import Testing

@testable import nodepass

@Suite("Under a service manager", .timeLimit(.minutes(1)))
struct ServiceManagerTests {
    @Test("a daemon whose manager has a watchdog says again and again that it is alive")
    func watchdog() async throws {
        let directory = try TemporaryDirectory()
        try directory.write("version: 1\ntunnels: {}\n", to: "tunnels.yaml")
        let notifications = try NotifySocket.bind(directory.file("notify.sock"))
        let process = try RunningProcess(
            ["run", "-f", directory.file("tunnels.yaml"), "--listen", "127.0.0.1:0"]
                + ["--state-dir", directory.file("state")],
            environment: ["NOTIFY_SOCKET": directory.file("notify.sock"), "WATCHDOG_USEC": "100000"]
        )
        try await notifications.waitForReady(or: process, then: ["WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"])
        process.signal(SIGTERM)
        #expect(try await process.exitCode() == 0)
    }

    @Test(
        "the watchdog of another process, or none, is not answered",
        arguments: [
            ([:], nil), (["WATCHDOG_USEC": "60000000"], .seconds(30)), (["WATCHDOG_USEC": "0"], nil),
            (["WATCHDOG_USEC": "x"], nil), (["WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "7"], .seconds(1)),
            (["WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "8"], nil),
        ] as [([String: String], Duration?)]
    )
    func interval(_ environment: [String: String], _ interval: Duration?) {
        let notifier = SystemdNotifier(environment: environment.merging(["NOTIFY_SOCKET": "@x"]) { $1 }, process: 7)
        #expect(notifier.watchdogInterval == interval)
        #expect(SystemdNotifier(environment: environment, process: 7).watchdogInterval == nil)
    }
}
