/// Everything one entry under `tunnels` declares: the spec, and what the record has beside it.
package struct TunnelContent: Sendable, Hashable {
    package var spec: TunnelSpec
    package var labels = TunnelLabels()
    package var running = true

    package init(spec: TunnelSpec, labels: TunnelLabels = TunnelLabels(), running: Bool = true) {
        self.spec = spec
        self.labels = labels
        self.running = running
    }
}
