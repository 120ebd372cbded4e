import Config

/// Fewest and most idle links.
package struct PoolBounds: Sendable, Hashable {
    package let low: Int
    package let high: Int

    /// From the client's `min` and the server's `max`, swapped when the wrong way round, as
    /// NodePass does; 0 counts as 1.
    ///
    /// A server may say any number; more than a manifest may ask for is not believed.
    package init(min minimum: Int, max maximum: Int) {
        let least = Swift.min(Swift.max(minimum, 1), PoolSize.limit)
        let most = Swift.min(Swift.max(maximum, 1), PoolSize.limit)
        low = Swift.min(least, most)
        high = Swift.max(least, most)
    }
}
