import Config
import FoundationEssentials
package import Reconciler

/// One labelled key of the API; the key itself only in the answer to its creation.
package struct APIKeyView: WireView {
    package struct Source: Sendable {
        let record: APIKeyRecord
        var key: String?
    }

    package static let name = "APIKey"
    package static let summary = "A labelled key of the API"
    package static let table = WireTable(APIKeyView())

    package let label = Field("label", .text("Its name in lists and events", example: "grafana")) { $0.record.label }
    package let role = Field(
        "role",
        .words(
            APIRole.allCases.map(\.rawValue),
            "`metrics` reads figures, `read` all but secrets, `admin` does everything"
        )
    ) { $0.record.role.rawValue }
    package let created = Field("created", .time("When it was made")) { $0.record.created }
    package let expires = Field("expires", .nullable(.time("When it ends by itself"))) { $0.record.expires }
    package let key = Field(optional: "key", .text("The key; shown this once")) { $0.key }

    package init() {}
}

/// All labelled keys.
package struct APIKeysView: WireView {
    package typealias Source = [APIKeyRecord]

    package static let name = "APIKeys"
    package static let summary = "The labelled keys of the API"
    package static let table = WireTable(APIKeysView())

    package let keys = Field("keys", .list(.object(APIKeyView.self), "In the order they were made")) { records in
        records.map { APIKeyView.Source(record: $0) }
    }

    package init() {}
}
