import Config

/// The schemas that the OpenAPI document names.
extension Schema {
    static var components: JSONValue {
        .object(instances + views.map { $0.component } + requests + declarations)
    }

    /// What answers and events consist of; each is described by the table that writes it.
    private static var views: [any WireView.Type] {
        [
            MetaView.self, MetaView.Peer.self, OverrideView.self, OwnKeys.Draining.self, OwnKeys.Certificate.self,
            StatusKeys.Transition.self, StatusKeys.Target.self, FieldView.self, HistoryKeys.LastEvent.self,
            InfoView.self, PingView.self, LogView.self, LogView.Line.self, ErrorView.self, DiagnosticView.self,
            HistoryView.self, HistoryView.Point.self, HistoryOverviewView.self, HistoryOverviewView.Line.self,
            ReconcileView.self, ReconcileView.TunnelState.self, ReconcileView.Rejection.self,
            ReconcileView.Leaving.self,
            OutcomeView.self, OutcomeView.TunnelOutcome.self,
            ManifestView.self, ManifestView.DeclaredTunnel.self, ManifestView.Policy.self,
            PlanView.self, PlanView.Summary.self, PlanView.Step.self, PlanView.Change.self,
            PlanView.Connections.self, PlanView.Overridden.self, PlanView.Conflict.self,
            EventView.self, NoticeView.Planned.self, NoticeView.Applied.self, NoticeView.Rejected.self,
            NoticeView.Overridden.self, NoticeView.Released.self, NoticeView.Requested.self,
            NoticeView.ProblemChange.self, ProblemView.self, StatusView.self, StatusView.Certificate.self,
            PeerView.self, ConnectionsView.self, ConnectionsView.Line.self, NoticeView.Drift.self, NoticeLogView.self,
            APIKeyView.self, APIKeysView.self,
        ]
    }
}
