/// Names one link of a session: four bytes on the wire, eight lower-case hex digits in signals.
///
/// Source: NodePass v1.14; the first link a server identifies has id 0 and carries the signals.
package struct LinkID: Sendable, Hashable, CustomStringConvertible {
    package let value: UInt32

    package init(_ value: UInt32) {
        self.value = value
    }

    /// Reads the eight digits; nil for anything else.
    package init?(_ text: String) {
        let isHex = text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
        guard text.utf8.count == 8, isHex, let value = UInt32(text, radix: 16) else { return nil }
        self.value = value
    }

    package static let control = LinkID(0)

    package var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
