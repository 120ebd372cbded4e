package import Tunnel

/// What one tunnel did during one step of the history.
package struct HistorySample: Sendable, Hashable {
    /// The end of the step, in seconds since 1970; a multiple of the step.
    package let time: Int64
    /// Moved during the step.
    package let traffic: Traffic
    /// TCP connections and UDP sessions: at the end of the step, or, where steps were put together, the most of them.
    package let connections: Int
    /// Idle links: at the end of the step, or, where steps were put together, at the busiest of them.
    package let pool: Int

    package init(time: Int64, traffic: Traffic, connections: Int, pool: Int) {
        self.time = time
        self.traffic = traffic
        self.connections = connections
        self.pool = pool
    }
}

/// How fine a history is, how long it is kept, and how much of it at most.
///
/// A row takes about 40 bytes, so that all of it stays below 250 MB however many tunnels there are: where the rows run
/// out the oldest go, and the history is shorter than `keepSeconds`.
package enum HistoryResolution: Sendable, CaseIterable {
    case fine
    case minutes

    package var stepSeconds: Int64 {
        switch self {
        case .fine: 5
        case .minutes: 60
        }
    }

    package var keepSeconds: Int64 {
        switch self {
        case .fine: 3_600
        case .minutes: 7 * 86_400
        }
    }

    package var rowLimit: Int {
        switch self {
        case .fine: 2_000_000
        case .minutes: 4_000_000
        }
    }

    /// Steps that are forgotten at most each minute: about twice as many as come, or more, so that what is too old goes,
    /// and a clock that jumps a year costs little until somebody puts it right.
    package var pruneSteps: Int {
        switch self {
        case .fine: 24
        case .minutes: 10
        }
    }

    /// Steps further ahead than this were stored by a clock that was wrong.
    static let aheadSeconds: Int64 = 3_600

    /// The finest that reaches back so far.
    package init(windowSeconds: Int64) {
        self = windowSeconds <= HistoryResolution.fine.keepSeconds ? .fine : .minutes
    }

    /// The end of the step that this moment falls into.
    package func stepEnd(_ time: Int64) -> Int64 { (time + stepSeconds - 1) / stepSeconds * stepSeconds }
}

/// Decides which samples are worth a row, from one snapshot to the next.
///
/// A step without a row is one in which nothing moved and no user was connected, with as many idle
/// links as before; a reader fills it in. A reading counts only once it is stored (``keep(_:)``), so that
/// a store that refuses loses resolution and no bytes.
struct HistorySampler {
    /// How often idle links get a row although they are as before: a reader looks back no further for them.
    static let poolRefreshSeconds: Int64 = 600

    /// What the samples of one snapshot make of the sampler, once they are stored.
    struct Reading {
        fileprivate(set) var samples: [InstanceID: HistorySample] = [:]
        /// All tunnels together.
        ///
        /// There is always one: it shows that nothing happened, and not that the daemon did not run.
        fileprivate(set) var sum: HistorySample
        fileprivate var traffic: [InstanceID: Traffic]
        fileprivate var pools: [InstanceID: Int]
    }

    private var traffic: [InstanceID: Traffic] = [:]
    private var pools: [InstanceID: Int] = [:]

    func read(_ snapshot: [InstanceID: TunnelStatus], at time: Int64) -> Reading {
        var sum = (traffic: Traffic(), connections: 0, pool: 0)
        var reading = Reading(
            sum: HistorySample(time: time, traffic: sum.traffic, connections: 0, pool: 0),
            traffic: [:],
            pools: [:]
        )
        let isRefresh = time % Self.poolRefreshSeconds == 0
        for (id, status) in snapshot {
            let sample = HistorySample(
                time: time,
                traffic: status.traffic.since(traffic[id] ?? Traffic()),
                connections: status.tcpConnections + status.udpSessions,
                pool: status.poolIdle
            )
            reading.traffic[id] = status.traffic
            reading.pools[id] = sample.pool
            sum.traffic = sum.traffic + sample.traffic
            sum.connections += sample.connections
            sum.pool += sample.pool
            let isIdle = sample.traffic == Traffic() && sample.connections == 0
            if !isIdle || sample.pool != pools[id] ?? 0 || (isRefresh && sample.pool > 0) {
                reading.samples[id] = sample
            }
        }
        reading.sum = HistorySample(time: time, traffic: sum.traffic, connections: sum.connections, pool: sum.pool)
        return reading
    }

    mutating func keep(_ reading: Reading) {
        traffic = reading.traffic
        pools = reading.pools
    }
}

extension Traffic {
    /// What was counted after `earlier`; all of it where the counters have begun anew.
    fileprivate func since(_ earlier: Traffic) -> Traffic {
        let isContinued =
            tcpRx >= earlier.tcpRx && tcpTx >= earlier.tcpTx && udpRx >= earlier.udpRx && udpTx >= earlier.udpTx
        return isContinued ? self - earlier : self
    }
}
