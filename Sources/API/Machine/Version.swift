/// What this program calls itself.
package enum Version {
    /// The API level clients gate on: NodePass's version whose master API this is.
    package static let api = "1.14.0"
    package static let implementation = "nodepass-swift"
    package static let build = "0.1.0"
}
