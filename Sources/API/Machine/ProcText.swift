/// Reads the texts of `/proc`; what is missing counts as 0.
package enum ProcText {
    package struct Memory: Sendable, Hashable {
        package var total: Int64 = 0
        package var used: Int64 = 0
        package var swapTotal: Int64 = 0
        package var swapUsed: Int64 = 0
    }

    package struct Network: Sendable, Hashable {
        package var received: Int64 = 0
        package var sent: Int64 = 0
    }

    package struct Disk: Sendable, Hashable {
        package var read: Int64 = 0
        package var written: Int64 = 0
    }

    package struct CPUTimes: Sendable, Hashable {
        package var idle: Int64 = 0
        package var total: Int64 = 0

        package func percentBusy(since former: CPUTimes) -> Int64 {
            let total = total - former.total
            guard total > 0 else { return 0 }
            return max(0, min(100, (total - (idle - former.idle)) * 100 / total))
        }
    }

    /// `/proc/meminfo`, which counts in KiB.
    package static func memory(_ text: String) -> Memory {
        var values: [Substring: Int64] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split { $0 == " " || $0 == ":" }
            guard words.count >= 2, let kibibytes = Int64(words[1]) else { continue }
            values[words[0]] = kibibytes * 1024
        }
        let total = values["MemTotal"] ?? 0
        let swap = values["SwapTotal"] ?? 0
        return Memory(
            total: total,
            used: max(0, total - (values["MemAvailable"] ?? 0)),
            swapTotal: swap,
            swapUsed: max(0, swap - (values["SwapFree"] ?? 0))
        )
    }

    /// `/proc/net/dev`: real interfaces, none that containers and bridges make.
    package static func network(_ text: String) -> Network {
        let virtual = ["lo", "veth", "docker", "podman", "br-", "virbr"]
        var sum = Network()
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, let name = parts[0].split(separator: " ").first else { continue }
            guard !virtual.contains(where: { name.hasPrefix($0) }) else { continue }
            let fields = parts[1].split(separator: " ").map { Int64($0) ?? 0 }
            guard fields.count > 8 else { continue }
            sum.received &+= fields[0]
            sum.sent &+= fields[8]
        }
        return sum
    }

    /// `/proc/diskstats`, sectors of 512 bytes: whole disks, no partitions (names that end in a
    /// digit).
    package static func disk(_ text: String) -> Disk {
        let virtual = ["loop", "ram", "dm-", "md"]
        var sum = Disk()
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 9, fields[2].last?.isNumber == false else { continue }
            guard !virtual.contains(where: { fields[2].hasPrefix($0) }) else { continue }
            sum.read &+= (Int64(fields[5]) ?? 0) &* 512
            sum.written &+= (Int64(fields[9]) ?? 0) &* 512
        }
        return sum
    }

    /// The first line of `/proc/stat`: idle and iowait are the time nothing was done.
    package static func cpuTimes(_ text: String) -> CPUTimes {
        guard let line = text.split(separator: "\n").first, line.hasPrefix("cpu ") else { return CPUTimes() }
        let fields = line.split(separator: " ").dropFirst().prefix(8).map { Int64($0) ?? 0 }
        guard fields.count >= 5 else { return CPUTimes() }
        return CPUTimes(idle: fields[3] + fields[4], total: fields.reduce(0, +))
    }

    /// `/proc/uptime`, whole seconds.
    package static func uptime(_ text: String) -> Int64 {
        guard let word = text.split(separator: " ").first, let seconds = Double(word) else { return 0 }
        return Int64(seconds)
    }
}
