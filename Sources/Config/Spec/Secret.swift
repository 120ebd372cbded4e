/// A text that must never be shown: printing, interpolating or reflecting it gives a fixed mask.
package struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// What every printed form shows instead of the value.
    package static let mask = "••••••"

    /// The value itself; reading it is the one deliberate way to reveal it.
    package let value: String

    package init(_ value: String) {
        self.value = value
    }

    package var description: String { Secret.mask }
    package var debugDescription: String { Secret.mask }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
