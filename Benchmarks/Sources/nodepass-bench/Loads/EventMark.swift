import Foundation

/// An alias that says which change it comes from and when that was asked for, so that its event needs no table.
enum EventMark {
    /// Bytes between which a mark may be cut in two when a stream is read piece by piece.
    static let limitBytes = prefix.utf8CodeUnitCount + 1 + numberDigits + timeDigits

    private static let sign = UInt8(ascii: "@")
    /// The alias behind the instance's id; an event repeats it elsewhere, behind something else.
    private static let prefix: StaticString = "\",\"alias\":\""
    private static let numberDigits = 8
    private static let timeDigits = 16
    private static let ticksPerSecond = 1e6

    static func alias(_ number: Int, at seconds: Double) -> String {
        String(format: "@%0\(numberDigits)ld%0\(timeDigits)ld", number, Int(seconds * ticksPerSecond))
    }

    /// Calls `body` with the number and the time of each mark that is whole.
    static func forEach(in bytes: UnsafeRawBufferPointer, _ body: (_ number: Int, _ seconds: Double) -> Void) {
        guard let base = bytes.baseAddress else { return }
        let before = prefix.utf8CodeUnitCount
        var start = 0
        while start < bytes.count, let found = memchr(base + start, Int32(sign), bytes.count - start) {
            let place = UnsafeRawPointer(found) - base
            start = place + 1
            guard place >= before, place + 1 + numberDigits + timeDigits <= bytes.count,
                memcmp(base + place - before, prefix.utf8Start, before) == 0
            else { continue }
            let number = digits(base + start, numberDigits)
            body(number, Double(digits(base + start + numberDigits, timeDigits)) / ticksPerSecond)
        }
    }

    private static func digits(_ place: UnsafeRawPointer, _ count: Int) -> Int {
        var value = 0
        for index in 0..<count {
            value = value * 10 + Int(place.load(fromByteOffset: index, as: UInt8.self)) - Int(UInt8(ascii: "0"))
        }
        return value
    }
}
