package import Reconciler

/// An author by its text.
extension Author: ExpressibleByStringLiteral {
    package init(stringLiteral text: String) {
        self.init(stored: text)
    }
}
