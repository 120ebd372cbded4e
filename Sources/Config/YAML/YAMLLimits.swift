/// How much of a document is read; a document over a limit is rejected.
package struct YAMLLimits: Sendable {
    /// 5,000 tunnels with every key written out are about 5 MiB.
    package var documentBytes = 16 << 20
    /// The manifest itself is five levels deep.
    package var depth = 64
    /// Counts what aliases and merge keys expand to, so that a small text cannot become a large
    /// tree.
    package var nodes = 1_000_000
    /// The longest single value; the longest we use are URLs.
    package var scalarBytes = 1 << 20

    package init() {}
}
