import Config

extension SourceLocation {
    /// `tunnels.yaml:12`.
    var fileAndLine: String { "\(file):\(line)" }
}
