import ArgumentParser

/// A group of measurements that can be asked for by name.
enum Section: String, CaseIterable, Codable, ExpressibleByArgument {
    case throughput
    case connections
    case latency
    case udp
    case memory
    case scale
    case api
    case events

    /// Whether it sends something through tunnels, which are set up in one layout after another.
    var isTraffic: Bool {
        switch self {
        case .throughput, .connections, .latency, .udp: true
        case .memory, .scale, .api, .events: false
        }
    }
}
