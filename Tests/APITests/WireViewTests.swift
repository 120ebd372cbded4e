import API
import Config
import FoundationEssentials
import Reconciler
import TestSupport
import Testing
import Tunnel

/// Each view is one table: what it writes, what its schema says and what clients read come from the same properties.
@Suite("The tables of the wire")
struct WireViewTests {
    private static let views: [any WireView.Type] = [
        NodePassKeys.self, OwnKeys.self, StatusKeys.self, HistoryKeys.self, EventView.self, NoticeView.self,
        PlanView.self, PlanView.Step.self, OverrideView.self, ReconcileView.self, ReconcileView.Leaving.self,
        OutcomeView.self, ManifestView.self,
        InfoView.self, HistoryView.self, HistoryOverviewView.self, LogView.self, PingView.self, ErrorView.self,
        DiagnosticView.self,
    ]

    private static func check<View: WireView>(_ view: View.Type) -> (properties: Int, names: [String]) {
        (Mirror(reflecting: View()).children.count, View.memberNames)
    }

    @Test("every stored property of a view is a member of its table, under a name of its own")
    func complete() {
        for view in Self.views {
            let (properties, names) = Self.check(view)
            #expect(names.count == properties, "\(view)")
            #expect(Set(names).count == names.count, "\(view)")
        }
    }

    @Test("what a view has written, its reader reads as what it was")
    func roundTrip() throws {
        let since = Date(timeIntervalSince1970: 1_700_000_000)
        var override = Override(since: since, until: nil, by: "socket", revision: "1")
        override.running = false
        override.tags = ["b": "2", "a": "1"]
        let json = OverrideView.object(OverrideView.Source(override))
        let text =
            #"{"state":"stopped","tags":{"a":"1","b":"2"},"since":"2023-11-14T22:13:20Z","until":null,"by":"socket"}"#
        #expect(json.compactText == text)
        let read = WireObject<OverrideView>(try JSONParser.parse(Array(text.utf8)))
        #expect(read.state == "stopped" && read.tags == override.tags && read.by == "socket")
        #expect(read.alias == nil && read.restart == nil && read.until == nil)
        #expect(read.since == "2023-11-14T22:13:20Z")
        #expect(read.optionalMembers.map(\.name) == ["state", "tags"])
    }

    @Test("a diagnostic has one form, whether the API or `validate` writes it", arguments: [true, false])
    func diagnostics(hasPlaces: Bool) {
        let place = SourceLocation(file: "tunnels.yaml", line: 3, column: 4)
        let diagnostic = Diagnostic(
            .warning,
            at: hasPlaces ? place : nil,
            path: "tunnels.web.pool",
            code: "pool-range",
            "must be at most 16",
            related: hasPlaces ? place : nil
        )
        #expect(DiagnosticView.object(diagnostic) == diagnostic.json)
    }

    @Test("what another version does not send, or sends as another type, is read as empty")
    func lenient() throws {
        let read = WireObject<OutcomeView>(try JSONParser.parse(Array(#"{"behind":"3","invalid":null}"#.utf8)))
        #expect(read.revision.isEmpty && read.behind == 0 && read.invalid.isEmpty && read.tunnels.isEmpty)
        let row = InstanceRow(.null)
        #expect(row.id.isEmpty && row.name == nil && row.override == nil && row.tcps == 0 && !row.restart)
        #expect(row.history.isEmpty && row.shown.isEmpty && !row.isKey)
    }
}
