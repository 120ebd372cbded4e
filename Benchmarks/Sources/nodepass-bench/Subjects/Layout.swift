import ArgumentParser

/// The ways a tunnel can be set up that are compared.
enum Layout: String, CaseIterable, Codable, ExpressibleByArgument {
    /// One process that listens and dials.
    case single
    /// A server and a client process with links between them.
    case dual
    /// The same with TLS on the links.
    case dualTLS = "dual-tls"

    var title: String {
        switch self {
        case .single: "single-end"
        case .dual: "dual-end"
        case .dualTLS: "dual-end TLS"
        }
    }

    var hasTLS: Bool { self == .dualTLS }
}
