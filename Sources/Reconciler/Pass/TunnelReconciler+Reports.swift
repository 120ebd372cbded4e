import Config
import FoundationEssentials
import Logging
package import Tunnel

/// The last traffic report of one instance.
struct ReportedInstance: Sendable {
    var time: Date
    var figures: Figures

    /// What makes a report worth sending.
    struct Figures: Sendable, Hashable {
        let traffic: Traffic
        let tcpConnections: Int
        let udpSessions: Int
        let poolIdle: Int

        init(_ status: TunnelStatus) {
            traffic = status.traffic
            tcpConnections = status.tcpConnections
            udpSessions = status.udpSessions
            poolIdle = status.poolIdle
        }
    }
}

extension TunnelReconciler {
    /// Longest silence about a running instance: dashboards take five minutes without an event for a lost one.
    private static let idleReportSeconds = 60.0

    /// Keeps changed totals and, when somebody listens, sends the figures of instances that moved.
    func report() {
        isReportDue = false
        let actual = host.snapshot()
        foldTraffic(actual)
        guard hub.hasSubscribers else {
            reported = [:]
            return
        }
        let time = now()
        hub.publish(actual.compactMap { id, status in reportIfDue(id, status, at: time) })
    }

    private func reportIfDue(_ id: InstanceID, _ status: TunnelStatus, at time: Date) -> StreamEvent? {
        guard !status.isDown, let desired = state.desired[id] else { return nil }
        let figures = ReportedInstance.Figures(status)
        if let last = reported[id], last.figures == figures,
            time.timeIntervalSince(last.time) < TunnelReconciler.idleReportSeconds
        {
            return nil
        }
        reported[id] = ReportedInstance(time: time, figures: figures)
        let instance = desired.instance(status: status, traffic: total(id, status))
        return StreamEvent(id: nil, kind: .update, instanceID: id, payload: render(.update, time, instance, ""))
    }

    /// Keeps one line of an instance's log and passes `text`, its form for people, on to those who listen to events.
    ///
    /// The last words of an instance that has just been forgotten are lost.
    package func publishLog(_ line: TunnelLogLine, as text: String) {
        if state.records[line.id] != nil { logs.append(line) }
        publishLog(line.id, text)
    }

    /// Lines of instances that the world has not been told of yet, which are kept until it has.
    static let heldLogLimit = 1024

    /// Passes one line of an instance's log on to those who listen now; it is not stored.
    ///
    /// A new instance's first lines wait for its `create`.
    package func publishLog(_ id: InstanceID, _ line: String) {
        guard hub.hasSubscribers, let instance = instance(id) else { return }
        guard told[id] != nil else {
            if heldLog.count < Self.heldLogLimit { heldLog.append((id, line)) }
            return
        }
        let payload = render(.log, now(), instance, line)
        hub.publish([StreamEvent(id: nil, kind: .log, instanceID: id, payload: payload)])
    }

    /// Publishes what waited for the `create` that has just been told.
    func releaseHeldLog() {
        let lines = heldLog
        heldLog = []
        for (id, line) in lines { publishLog(id, line) }
    }

    /// Totals: what is stored, and what the host counted since.
    func total(_ id: InstanceID, _ status: TunnelStatus?) -> Traffic {
        (state.records[id]?.traffic ?? Traffic()) + unfolded(id, status)
    }

    private func unfolded(_ id: InstanceID, _ status: TunnelStatus?) -> Traffic {
        guard let live = status?.traffic else { return Traffic() }
        return live - (folded[id] ?? Traffic())
    }

    /// Adds what the host counted to the stored totals; when the store refuses, the figures stay unfolded.
    func foldTraffic(_ actual: [InstanceID: TunnelStatus], only ids: Set<InstanceID>? = nil) {
        var changed: [InstanceID: Traffic] = [:]
        for (id, status) in actual where status.traffic != folded[id] ?? Traffic() {
            if ids?.contains(id) ?? true, state.records[id] != nil { changed[id] = total(id, status) }
        }
        do throws(StateStoreError) {
            try store.saveTraffic(changed)
        } catch {
            progress.storageProblem = error
            return
        }
        for (id, traffic) in changed {
            folded[id] = actual[id]?.traffic
            state.setTraffic(traffic, of: id)
        }
    }
}
