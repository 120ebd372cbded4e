/// What is probably not meant with one tunnel, as the dry run of a request reports it.
extension TunnelSpec {
    /// `mayBindPrivilegedPorts`: whether the daemon may listen on ports below 1024.
    package func advice(mayBindPrivilegedPorts: Bool) -> [Diagnostic] {
        var advice: [Diagnostic] = []
        func warn(_ code: DiagnosticCode, _ path: String, _ message: String) {
            advice.append(Diagnostic(.warning, at: nil, path: path, code: code.rawValue, message))
        }
        if let problem = KeyStrength.problem(of: self) { warn(problem.code, "key", problem.message) }
        if handshake == .compatible {
            warn(.compatibleHandshake, "handshake", "is \(HandshakePolicy.compatibleCost)")
        }
        if role == .server, tls ?? .off == .off, !tunnel.isLoopback {
            warn(.tlsOff, "tls", "is off: anyone between the ends can read what users send")
        }
        if connectsToItself { warn(.tunnelLoop, "target", ManifestLint.loopMessage) }
        if !mayBindPrivilegedPorts {
            for path in Set(certainSockets.filter { (1..<1024).contains($0.endpoint.port) }.map(\.path)).sorted() {
                warn(.privilegedPort, path, ManifestLint.privilegedPortMessage)
            }
        }
        return advice
    }
}
