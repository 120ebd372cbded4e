import Config
import Reconciler
import Testing
import Tunnel

@Suite("Importing a NodePass master's state")
struct StateImportTests {
    private func row(
        _ id: InstanceID,
        _ url: String,
        _ change: (inout ImportedState.Row) -> Void = { _ in }
    ) -> ImportedState.Row {
        var row = ImportedState.Row(id: id)
        row.url = url
        change(&row)
        return row
    }

    private func imported(
        _ rows: [ImportedState.Row],
        key: ImportedState.Row? = nil,
        into existing: StoredInstances = StoredInstances()
    ) throws(StateImportError) -> StateImport {
        try StateImport(ImportedState(instances: rows, key: key), into: existing, now: epoch)
    }

    @Test("labels that are too long are left away, the rest is kept")
    func labels() throws {
        let long = String(repeating: "x", count: 300)
        let result = try imported([
            row("00000001", clientURL(9001)) { row in
                row.alias = long
                row.tags = ["a": "b"]
                row.peer.sid = long
            }
        ])
        #expect(result.records.first?.labels == TunnelLabels(tags: ["a": "b"]))
        #expect(result.lines.first?.notes.count == 2)
    }

    @Test("what is here already and equal is passed over, what differs refuses everything")
    func conflicts() throws {
        let rows = [
            row("00000001", clientURL(9001)), row("00000002", clientURL(9002)), row("00000003", clientURL(9003)),
        ]
        var existing = StoredInstances()
        existing.records = try imported(Array(rows.prefix(2))).records
        existing.records[0].traffic = Traffic(tcpRx: 5, tcpTx: 5, udpRx: 0, udpTx: 0)
        existing.records[0].announced = true
        let again = try imported(rows, into: existing)
        #expect(again.lines.map(\.outcome) == [.present, .present, .imported])
        #expect(again.records.map(\.id) == ["00000003"])

        existing.records[0].url = clientURL(9009)
        existing.records[1].origin = .manifest
        existing.unusable["00000003"] = "its URL does not read"
        #expect(throws: StateImportError.conflicts(["00000001", "00000002", "00000003"])) {
            try imported(rows, into: existing)
        }
    }

    @Test("more instances than a daemon accepts are refused")
    func tooMany() throws {
        let rows = (0...DesiredState.instanceLimit).map { number in
            row(String(repeating: "0", count: 8 - "\(number)".count) + "\(number)", clientURL(9001))
        }
        #expect(throws: StateImportError.tooMany(limit: DesiredState.instanceLimit)) { try imported(rows) }
        #expect(try imported(Array(rows.dropLast())).records.count == DesiredState.instanceLimit)
    }

    @Test(
        "a key that no client could send is not taken over",
        arguments: ["", "short", "0123456789ABCDEF0123456789abcdef"]
    )
    func badKey(key: String) throws {
        let result = try imported([], key: row("********", key))
        #expect(result.identity == nil && result.identityNote == "the file's API key is not 32 hex digits")
    }

    @Test("an instance whose id is not 8 hex digits is left out")
    func strangeIDs() throws {
        let strange = try imported([row("nothex!!", clientURL(9001)), row("0123", clientURL(9001))])
        #expect(strange.records.isEmpty)
        #expect(strange.lines.allSatisfy { $0.outcome == .skipped(why: "its id is not 8 hex digits") })
    }
}
