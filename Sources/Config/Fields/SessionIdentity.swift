/// The part of a spec that a session is made for: when it changes, a new session takes over.
///
/// The table decides which keys belong to it: those whose change needs a new session or another
/// address.
package struct SessionIdentity: Sendable, Equatable {
    @Shared private var content: TunnelContent

    private static let fields = ManifestSchema.fields.filter { $0.changeClass >= .session }

    package init(_ spec: TunnelSpec) {
        _content = Shared(wrappedValue: TunnelContent(spec: spec))
    }

    package static func == (a: SessionIdentity, b: SessionIdentity) -> Bool {
        fields.allSatisfy { $0.isEqual(a.content, b.content) } && a.triedAddress == b.triedAddress
    }

    /// Where a server in mode `auto` tries to listen for its users, which decides the mode.
    private var triedAddress: Endpoint? {
        let spec = content.spec
        return spec.mode == .auto ? spec.targets.first : nil
    }
}
