import Config
package import Reconciler
import Tunnel

/// What a GET of one tunnel adds, for `describe` and the dashboard.
package struct HistoryKeys: WireView {
    package typealias Source = InstanceDetails

    package static let name = "InstanceHistory"
    package static let summary = "What a GET of one tunnel adds"
    package static let table = WireTable(HistoryKeys())

    package let shown = Field("shown", .text("Its URL without secrets")) { details in
        details.instance.spec.displayURL(hiding: details.instance.secretPaths)
    }
    package let fields = Field("fields", .list(.object(FieldView.self), "Its keys that are not at their default")) {
        $0.fields.map { FieldView.Source(field: $0.field, source: $0.source) }
    }
    package let problems = Field("problems", .list(.object(ProblemView.self), "What is wrong with it now")) {
        $0.problems
    }
    package let events = Field(
        "events",
        .list(.object(LastEvent.self), "Its last events, oldest first")
    ) { HistoryKeys.events(of: $0) }

    package init() {}

    private static func events(of details: InstanceDetails) -> [RecordedEvent] {
        var events = details.events
        // Each log is in the order of its ids, which is the order of events; times only decide
        // between the two logs.
        for notice in details.notices {
            let place = events.firstIndex { $0.time > notice.time } ?? events.endIndex
            events.insert(notice, at: place)
        }
        return events
    }

    /// An event in short: its whole form may hold what must not be shown.
    package struct LastEvent: WireView {
        package typealias Source = RecordedEvent

        package static let name = "LastEvent"
        package static let summary = "An event of an instance; the id is that of its stream"
        package static let table = WireTable(LastEvent())

        package let id = Field("id", .count("Its number")) { $0.id ?? 0 }
        package let time = Field("time", .time("Time of the event")) { $0.time }
        package let type = Field(
            "type",
            .words(
                ["create", "update", "delete", "override", "release", "request", "problem", "drift"],
                "What happened"
            )
        ) { $0.kind.rawValue }
        package let phase = Field(optional: "phase", .phase) { $0.phase?.rawValue }
        package let reason = Field(optional: "reason", .reason) { $0.reason }
        package let message = Field(optional: "message", .text("In a sentence")) { $0.message }
        package let cause = Field(
            optional: "cause",
            .words(ReconcileNotice.ReleaseCause.allCases.map(\.rawValue), "Why it was released")
        ) { $0.releaseCause?.rawValue }
        package let change = Field(
            optional: "change",
            .words(ReconcileNotice.RequestedChange.allCases.map(\.rawValue), "What was asked for")
        ) { $0.requestedChange?.rawValue }
        package let by = Field(optional: "by", .author) { $0.author }
        package let note = Field(optional: "note", .note) { $0.note }

        package init() {}
    }
}

extension RecordedEvent {
    fileprivate var phase: TunnelPhase? {
        switch content {
        case .instance(_, let instance): instance.phase
        case .notice(.drift(_, let phase, _, _, _)): phase
        case .notice, .logLine, .shutdown: nil
        }
    }

    /// Empty where there is none, nil where an event of this kind has no such key.
    fileprivate var reason: String? {
        switch content {
        case .instance(_, let instance): instance.status.reason?.rawValue ?? ""
        case .notice(.drift(_, _, let reason, _, _)): reason?.rawValue ?? ""
        case .notice, .logLine, .shutdown: nil
        }
    }

    fileprivate var message: String? {
        switch content {
        case .instance(_, let instance): InstanceView.message(instance, now: time)
        case .notice(.drift(_, _, _, let message, _)), .notice(.problem(_, _, let message, _)): message
        case .notice, .logLine, .shutdown: nil
        }
    }

    fileprivate var releaseCause: ReconcileNotice.ReleaseCause? {
        guard case .notice(.release(_, let cause, _, _)) = content else { return nil }
        return cause
    }

    fileprivate var requestedChange: ReconcileNotice.RequestedChange? {
        switch content {
        case .notice(.request(_, let change, _, _)): change
        case .notice(.override(_, let override)): override.change
        case .notice, .instance, .logLine, .shutdown: nil
        }
    }

    fileprivate var author: Author? {
        guard case .notice(let notice) = content else { return nil }
        return notice.author
    }

    fileprivate var note: String? {
        guard case .notice(let notice) = content else { return nil }
        return notice.note
    }
}
