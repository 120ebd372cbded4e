/// Whether a tunnel's log shows at `info` that an exchange begins and ends, as NodePass does and clients of its API expect;
/// else only at `debug`.
///
/// All values are equal: what a log shows makes no difference to what a tunnel does, and specs compare by that.
package struct ExchangeLines: Sendable, Hashable {
    package let areInfo: Bool

    package init(areInfo: Bool = false) {
        self.areInfo = areInfo
    }

    package static func == (_: ExchangeLines, _: ExchangeLines) -> Bool { true }

    package func hash(into hasher: inout Hasher) {}
}
