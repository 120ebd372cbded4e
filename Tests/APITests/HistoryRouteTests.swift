import API
import Config
import HTTPTypes
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("History over REST", .timeLimit(.minutes(1)))
struct HistoryRouteTests {
    @Test("a tunnel's history has a point a step, with bytes of the step and the connections at its end")
    func one() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4400))
            try await daemon.waitFor("update", id, status: "running")
            daemon.host.count(Traffic(tcpRx: 5, tcpTx: 6, udpRx: 7, udpTx: 8), for: id)
            daemon.host.hold(2, for: id)
            await daemon.history.sample()
            let answer = try await daemon.send(.get, "/api/v1/instances/\(id)/history?window=10m").json
            #expect(answer["id"]?.stringValue == id && answer["step"] == 5)
            let points = try #require(answer["points"]).items
            let point = try #require(points.first)
            #expect(points.count == 1)
            #expect(point.names == ["time", "tcprx", "tcptx", "udprx", "udptx", "connections", "pool"])
            #expect(point["tcprx"] == 5 && point["tcptx"] == 6 && point["udprx"] == 7 && point["udptx"] == 8)
            #expect(point["connections"] == 2)
            let week = try await daemon.send(.get, "/api/v1/instances/\(id)/history?window=168h").json
            #expect(week["step"] == 60)
        }
    }

    @Test("the overview has the steps of those that moved anything")
    func all() async throws {
        try await TestDaemon.run { daemon in
            let busy = try await daemon.create(clientURL(4401))
            _ = try await daemon.create(clientURL(4402))
            try await daemon.waitFor("update", busy, status: "running")
            daemon.host.count(Traffic(tcpRx: 5, udpTx: 8), for: busy)
            await daemon.history.sample()
            let answer = try await daemon.send(.get, "/api/v1/history").json
            #expect(answer["times"]?.items.count == 1)
            let tunnels = try #require(answer["tunnels"]).items
            #expect(tunnels.map { $0["id"]?.stringValue } == [busy])
            #expect(tunnels.first?["in"]?.items == [5] && tunnels.first?["out"]?.items == [8])
        }
    }

    @Test(
        "a window that is none, or reaches back too far, is refused with what it may be",
        arguments: ["instances/ID/history?window=8d", "instances/ID/history?window=x", "history?window=11m"]
    )
    func windows(_ path: String) async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4403))
            let answer = try await daemon.send(.get, "/api/v1/" + path.replacing("ID", with: id))
            #expect(answer.status == 400)
            #expect(try answer.json["message"]?.stringValue?.contains("is not a duration from 1s to") == true)
        }
    }

    @Test("an unknown instance, and the key's row, have none", arguments: ["00000000", "********"])
    func unknown(_ id: String) async throws {
        try await TestDaemon.run { daemon in
            let answer = try await daemon.send(.get, "/api/v1/instances/\(id)/history")
            #expect(answer.status == 404)
        }
    }
}
