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
    case requestsPerSecond = "requests/s"
    case requestP50 = "request p50 µs"
    case requestP99 = "request p99 µs"
    case requestFailures = "requests failed"
    case cpuPerRequest = "CPU ms/request"
    case patchesPerSecond = "PATCH/s"
    case patchP99 = "PATCH p99 ms"
    case eventsPerSecond = "events/s"
    case eventP50 = "event p50 ms"
    case eventP99 = "event p99 ms"
    case eventMax = "event max ms"
    case eventsInTime = "within 100 ms %"
    case eventsMissing = "events missing"
    case subscribersCut = "subscribers cut"
    case cpuPerEvent = "CPU µs/event"
    case generatorCPU = "generator CPU s"

    var isBetterWhenMore: Bool {
        switch self {
        case .megabytesPerSecond, .connectionsPerSecond, .datagramsReceived, .requestsPerSecond, .patchesPerSecond,
            .eventsPerSecond, .eventsInTime:
            true
        default: false
        }
    }

    /// Ratios of what is an input, or is zero as it should be, say nothing.
    var hasRatio: Bool {
        switch self {
        case .connectionFailures, .datagramsSent, .datagramLoss, .datagramByteLoss, .links, .requestFailures,
            .eventsMissing, .subscribersCut, .generatorCPU:
            false
        default: true
        }
    }
}
