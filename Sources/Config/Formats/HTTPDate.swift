package import FoundationEssentials

/// The date of an HTTP header (RFC 9110 §5.6.7): `Mon, 23 Nov 2026 20:28:31 GMT`.
package enum HTTPDate {
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    package static func text(_ date: Date) -> String {
        let time = CivilTime(utc: date)
        let day = "\(CivilTime.padded(time.day, 2)) \(months[time.month - 1]) \(CivilTime.padded(time.year, 4))"
        return "\(days[time.weekday]), \(day) \(time.clockText) GMT"
    }
}
