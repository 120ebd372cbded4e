package import Config
package import Tunnel

/// What a tunnel would run into, for those who ask before they create or change it.
extension TunnelReconciler {
    /// Errors where it could not run as things are, warnings for what is probably not meant.
    ///
    /// `id` is the instance that it would replace, whose own addresses are free for it.
    package func findings(
        for tunnel: CheckedTunnel,
        replacing id: InstanceID? = nil,
        mayBindPrivilegedPorts: Bool,
        problemAt: (ListenAddress) -> TunnelError? = PortCheck.problem
    ) -> [Diagnostic] {
        var findings: [Diagnostic] = []
        if let problem = tunnel.spec.unsupported {
            findings.append(.error(.notSupported, "transport", problem.message))
        }
        let own = id.flatMap { state.desired[$0]?.spec.possibleAddresses } ?? []
        var paths = Set<String>()
        for socket in tunnel.spec.certainSockets where !paths.contains(socket.path) {
            guard let message = taken(socket.address, except: id, own, problemAt) else { continue }
            paths.insert(socket.path)
            findings.append(.error(.addressTaken, socket.path, message))
        }
        let known = Set(tunnel.warnings.map(\.code))
        return findings + tunnel.warnings
            + tunnel.spec.advice(mayBindPrivilegedPorts: mayBindPrivilegedPorts).filter { !known.contains($0.code) }
    }

    /// By which tunnel, or by what else; nil for an address that is free.
    private func taken(
        _ address: ListenAddress,
        except id: InstanceID?,
        _ own: Set<ListenAddress>,
        _ problemAt: (ListenAddress) -> TunnelError?
    ) -> String? {
        let owners = state.desired.values.filter { other in
            other.id != id && other.shouldRun
                && other.spec.certainAddresses.contains { $0.certainlyConflicts(with: address) }
        }
        if let owner = owners.min(by: DesiredState.precedes) {
            let place = owner.source.map { ", declared at \($0)" } ?? ""
            let advice = owner.spec.certainAddresses.lazy.compactMap { $0.problem(sharingWith: address) }.first
            return "the tunnel '\(owner.label)' listens on this address\(place)" + (advice.map { "; \($0)" } ?? "")
        }
        let isShared = state.desired.values.contains { other in
            other.id != id && other.shouldRun && other.spec.certainAddresses.contains { $0.canShare(with: address) }
        }
        guard address.endpoint.port != 0, !isShared, !own.contains(where: { $0.conflicts(with: address) }) else {
            return nil
        }
        return problemAt(address)?.message
    }
}

extension Diagnostic {
    fileprivate static func error(_ code: DiagnosticCode, _ path: String, _ message: String) -> Diagnostic {
        Diagnostic(.error, at: nil, path: path, code: code.rawValue, message)
    }
}
