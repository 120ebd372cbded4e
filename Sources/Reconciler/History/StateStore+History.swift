import Config
import GRDB
package import Tunnel

extension HistoryResolution {
    fileprivate var table: String {
        switch self {
        case .fine: "history_sample"
        case .minutes: "history_minute"
        }
    }
}

/// What all tunnels moved lately, those that moved nothing left out.
package struct HistoryOverview: Sendable {
    package struct Tunnel: Sendable {
        package let id: InstanceID
        /// Bytes of each step, as many as there are `times`.
        package var received: [UInt64]
        package var sent: [UInt64]
    }

    package let times: [Int64]
    /// The busiest first.
    package let tunnels: [Tunnel]
}

extension StateStore {
    /// Tunnels of one overview at most; the busiest stay.
    package static let overviewLimit = 1_000
    /// The row of all tunnels together; no id is negative.
    private static let sumID: Int64 = -1

    /// Adds the samples of one step; a step that is there already (the wall clock went back) gets both.
    func append(_ reading: HistorySampler.Reading) async throws(StateStoreError) {
        try await writeAsync { database in
            let statement = try database.cachedStatement(
                sql: """
                    INSERT INTO history_sample VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT (instance, time) DO UPDATE SET
                        tcp_rx = tcp_rx + excluded.tcp_rx, tcp_tx = tcp_tx + excluded.tcp_tx,
                        udp_rx = udp_rx + excluded.udp_rx, udp_tx = udp_tx + excluded.udp_tx,
                        connections = excluded.connections, pool = excluded.pool
                    """
            )
            try statement.execute(arguments: StateStore.arguments(StateStore.sumID, reading.sum))
            for (id, sample) in reading.samples {
                guard let number = StateStore.number(of: id) else { continue }
                try statement.execute(arguments: StateStore.arguments(number, sample))
            }
        }
    }

    /// Puts every minute that is whole by then together, those of a former run too, and forgets what is too old or too
    /// much.
    func foldHistory(upTo time: Int64) async throws(StateStoreError) {
        try await writeAsync { database in
            // Not one of a clock that was ahead: until then nothing would be put together.
            let last = try Int64.fetchOne(
                database,
                sql: "SELECT max(time) FROM history_minute WHERE time <= ?",
                arguments: [time]
            )
            try database.execute(
                sql: """
                    INSERT OR REPLACE INTO history_minute
                    SELECT instance, (time + 59) / 60 * 60 AS minute, sum(tcp_rx), sum(tcp_tx), sum(udp_rx), sum(udp_tx),
                        max(connections), pool
                    FROM history_sample WHERE time > ? AND time <= ? GROUP BY instance, minute
                    """,
                // The last one may have got more since: from a daemon that was started again before it was over.
                arguments: [(last ?? 0) - HistoryResolution.minutes.stepSeconds, time]
            )
            for resolution in HistoryResolution.allCases {
                try StateStore.prune(resolution, now: time, in: database)
            }
        }
        scrubIfOwed()
    }

    private static func prune(_ resolution: HistoryResolution, now: Int64, in database: Database) throws {
        let table = resolution.table
        // What is too old by the clock, or ahead of it, is so because the clock is wrong, perhaps: some of it at a time.
        let ends = [
            ("<=", "max", "ASC", now - resolution.keepSeconds),
            (">=", "min", "DESC", now + HistoryResolution.aheadSeconds),
        ]
        for (side, last, order, limit) in ends {
            try database.execute(
                sql: """
                    DELETE FROM \(table) WHERE time \(side) (
                        SELECT \(last)(time) FROM (
                            SELECT time FROM \(table) WHERE instance = ? AND time \(side) ? ORDER BY time \(order) LIMIT ?
                        )
                    )
                    """,
                arguments: [sumID, limit, resolution.pruneSteps]
            )
        }
        let count = try Int.fetchOne(database, sql: "SELECT count(*) FROM \(table)") ?? 0
        guard count > resolution.rowLimit else { return }
        try database.execute(
            sql: "DELETE FROM \(table) WHERE time <= (SELECT time FROM \(table) ORDER BY time LIMIT 1 OFFSET ?)",
            arguments: [count - resolution.rowLimit]
        )
    }

    /// The steps of one instance after `start` (seconds since 1970), oldest first; without those in which the daemon was
    /// not there.
    package func history(
        of id: InstanceID,
        after start: Int64,
        in resolution: HistoryResolution
    ) async throws(StateStoreError) -> [HistorySample] {
        guard let number = StateStore.number(of: id) else { return [] }
        let table = resolution.table
        return try await readAsync { database in
            var pool =
                try Int.fetchOne(
                    database,
                    sql: """
                        SELECT pool FROM \(table) WHERE instance = ? AND time <= ? AND time > ? ORDER BY time DESC LIMIT 1
                        """,
                    arguments: [number, start, start - HistorySampler.poolRefreshSeconds - resolution.stepSeconds]
                ) ?? 0
            let rows = try Row.fetchCursor(
                database,
                sql: """
                    SELECT step.time, own.tcp_rx, own.tcp_tx, own.udp_rx, own.udp_tx, own.connections, own.pool
                    FROM \(table) AS step LEFT JOIN \(table) AS own ON own.instance = ? AND own.time = step.time
                    WHERE step.instance = ? AND step.time > ? ORDER BY step.time
                    """,
                arguments: [number, StateStore.sumID, start]
            )
            var samples: [HistorySample] = []
            while let row = try rows.next() {
                pool = row["pool"] ?? pool
                samples.append(
                    HistorySample(
                        time: row["time"],
                        traffic: StateStore.traffic(row),
                        connections: row["connections"] ?? 0,
                        pool: pool
                    )
                )
            }
            return samples
        }
    }

    /// The steps of all instances that moved anything after `start`.
    package func historyOverview(after start: Int64) async throws(StateStoreError) -> HistoryOverview {
        try await readAsync { database in
            let times = try Int64.fetchAll(
                database,
                sql: "SELECT time FROM history_sample WHERE instance = ? AND time > ? ORDER BY time",
                arguments: [StateStore.sumID, start]
            )
            let places = Dictionary(uniqueKeysWithValues: times.enumerated().map { ($1, $0) })
            let busiest = try Int64.fetchAll(
                database,
                sql: """
                    SELECT instance FROM history_sample WHERE time > ? AND instance <> ? GROUP BY instance
                    HAVING sum(tcp_rx + tcp_tx + udp_rx + udp_tx) > 0
                    ORDER BY sum(tcp_rx + tcp_tx + udp_rx + udp_tx) DESC, instance LIMIT ?
                    """,
                arguments: [start, StateStore.sumID, StateStore.overviewLimit]
            )
            let statement = try database.cachedStatement(
                sql: "SELECT * FROM history_sample WHERE instance = ? AND time > ?"
            )
            let tunnels = try busiest.map { number in
                var tunnel = HistoryOverview.Tunnel(
                    id: StateStore.id(of: number),
                    received: Array(repeating: 0, count: times.count),
                    sent: Array(repeating: 0, count: times.count)
                )
                for row in try Row.fetchAll(statement, arguments: [number, start]) {
                    guard let place = places[row["time"]] else { continue }
                    let traffic = StateStore.traffic(row)
                    tunnel.received[place] = traffic.tcpRx &+ traffic.udpRx
                    tunnel.sent[place] = traffic.tcpTx &+ traffic.udpTx
                }
                return tunnel
            }
            return HistoryOverview(times: times, tunnels: tunnels)
        }
    }

    // MARK: Rows

    /// An id is eight hexadecimal digits: as a number it takes half the room in a row.
    private static func number(of id: InstanceID) -> Int64? { UInt32(id, radix: 16).map(Int64.init) }

    private static func id(of number: Int64) -> InstanceID { Hex.text(UInt32(truncatingIfNeeded: number)) }

    private static func arguments(_ number: Int64, _ sample: HistorySample) -> StatementArguments {
        [number, sample.time] + counters(sample.traffic) + [sample.connections, sample.pool]
    }

    private static func traffic(_ row: Row) -> Traffic {
        func counter(_ name: String) -> UInt64 { UInt64(clamping: row[name] as Int64? ?? 0) }
        return Traffic(
            tcpRx: counter("tcp_rx"),
            tcpTx: counter("tcp_tx"),
            udpRx: counter("udp_rx"),
            udpTx: counter("udp_tx")
        )
    }
}
