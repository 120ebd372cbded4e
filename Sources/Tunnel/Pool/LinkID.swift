import Config

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
        guard Hex.isLowercase(text, digits: 8), let value = UInt32(text, radix: 16) else { return nil }
        self.value = value
    }

    package static let control = LinkID(0)

    package var description: String { Hex.text(value) }
}
