import ArgumentParser

/// A group of measurements that can be asked for by name.
enum Section: String, CaseIterable, Codable, ExpressibleByArgument {
    case throughput
    case connections
    case latency
    case udp
    case memory
    case scale
}
