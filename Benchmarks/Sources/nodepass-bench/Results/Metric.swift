/// What a number is, and which direction is good.
enum Metric: String, Codable {
    case megabytesPerSecond = "MB/s"
    case cpuSecondsPerGigabyte = "CPU s/GB"
    case connectionsPerSecond = "connections/s"
    case connectionP50 = "connection p50 µs"
    case connectionP99 = "connection p99 µs"
    case connectionMax = "connection max µs"
    case connectionFailures = "connections failed"
    case cpuPerConnection = "CPU µs/connection"
    case roundTripP50 = "round trip p50 µs"
    case roundTripP99 = "round trip p99 µs"
    case datagramsReceived = "received/s"
    case datagramsSent = "sent/s"
    case datagramLoss = "datagrams lost %"
    case datagramByteLoss = "bytes lost %"
    case cpuPerDatagram = "CPU µs/datagram"
    case residentMegabytes = "RSS MB"
    case kilobytesPerTunnel = "KB/tunnel"
    case kilobytesPerLink = "KB/link, both ends"
    case links = "links more"
    case seconds = "s"
    case cpuSeconds = "CPU s"
    case passMilliseconds = "pass ms"
    case editMilliseconds = "ms to accept"
    case idleCPU = "idle CPU %"

    var isBetterWhenMore: Bool {
        switch self {
        case .megabytesPerSecond, .connectionsPerSecond, .datagramsReceived: true
        default: false
        }
    }

    /// Ratios of what is an input, or is zero as it should be, say nothing.
    var hasRatio: Bool {
        switch self {
        case .connectionFailures, .datagramsSent, .datagramLoss, .datagramByteLoss, .links: false
        default: true
        }
    }
}
