import Config
import HTTPTypes
import Hummingbird

/// `/openapi.json`: the API described by itself, readable without a key.
struct DescriptionRoutes: Sendable {
    /// Rendered once; the document does not change while the daemon runs.
    let document: String

    var resources: [Resource] {
        [
            Resource(
                path: "/openapi.json",
                tag: .pages,
                access: .open,
                operations: [
                    Operation(
                        method: .get,
                        id: "getOpenAPI",
                        summary: "This description",
                        answers: [
                            .init(
                                status: 200,
                                text: "OpenAPI 3.1",
                                schema: ["type": "object", "required": ["openapi", "info", "paths"]]
                            )
                        ]
                    ) { _, _ in .text(document, type: "application/json") }
                ]
            )
        ]
    }
}
